"""
The daemon as a Twisted service: it opens the root, listens, and lets go of both.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, TimeoutError, ensureDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import LoopingCall
from twisted.logger import Logger, LogLevel

from filesrv.access.rights import WrongRights
from filesrv.server.draining import Draining
from filesrv.server.factory import FilesrvFactory
from filesrv.server.limits import Limits
from filesrv.server.phases import Phase
from filesrv.server.shelves import CannotOpen, Shelves, open_shelves
from filesrv.server.trust import RECORD_EVERY
from filesrv.service.descriptors import LEAST, fitted, raise_descriptor_limit
from filesrv.service.endpoints import address_of, endpoint_of
from filesrv.service.options import Options
from filesrv.service.options.access import access_of
from filesrv.service.options.limits import limits_of
from filesrv.service.options.tls import certificates_of
from filesrv.service.options.watching import hook_of
from filesrv.service.reloads import Reloads
from filesrv.small_services.options import small_services
from filesrv.transfer.liveness import Liveness
from filesrv.watch.watching import Watching
from filesrv.wire.endings import Ending

__all__ = ["CannotStart", "FilesrvService"]

#: Seconds between looks for transfers that have expired.
EXPIRE_EVERY = 600.0

#: Seconds that the connections get to read their last reply when the daemon stops.
STOP_WITHIN = 2.0

DAY = 86400.0


class CannotStart(Exception):
    """What the administrator has to change first."""


class FilesrvService(Service):
    """
    The daemon.

    @ivar factory: while it runs, the factory of its connections.
    @ivar listening: while it runs, the ports that it listens on.
    @ivar reloads: what SIGHUP reads again.
    """

    _log = Logger()
    factory: FilesrvFactory

    def __init__(self, reactor: Any, options: Options) -> None:
        self._reactor = reactor
        self._options = options
        self._certificates = certificates_of(options)
        self._endpoints = [
            (text, endpoint_of(reactor, text, "port", self._certificates))
            for text in options["port"]
        ]
        self._metrics = [
            (text, endpoint_of(reactor, text, "metrics")) for text in [options["metrics"]] if text
        ]
        self._small = small_services(reactor, options, endpoint_of)
        self._loops: list[LoopingCall] = []
        self._shelves: Shelves | None = None
        self._drained: Deferred[None] | None = None
        self._watching: Watching | None = None
        self.listening: list[IListeningPort] = []
        self._watched: list[IListeningPort] = []
        self.reloads = Reloads()
        for credentials in self._certificates:
            self.reloads.add("certificates", credentials.reload)
        self.setName("filesrv")

    def startService(self) -> None:
        """
        @raise CannotStart: the root cannot be used, or a port not be listened on.
        """
        super().startService()
        shelves = self._shelves = self._open(self._limits())
        liveness = Liveness(
            self._reactor, self._options["dead-after"], self._options["stall-timeout"]
        )
        self.factory = FilesrvFactory(self._reactor, shelves, liveness, self._certificates.default)
        watching = self._watching = Watching(
            self._reactor, self.factory, self._options["root"], hook_of(self._options)
        )
        try:
            for text, endpoint in self._endpoints:
                self._listen(text, endpoint, self.factory)
            for text, endpoint, answers in self._small:
                self._listen(text, endpoint, answers)
            for text, endpoint in self._metrics:
                self._listen(text, endpoint, watching.pages(), self._watched)
            watching.start()
        except (CannotStart, CannotOpen) as error:
            for port in self.listening + self._watched:
                port.stopListening()
            self.listening.clear()
            self._watched.clear()
            ensureDeferred(watching.stop())
            shelves.close()
            self._shelves = None
            raise CannotStart(str(error)) from error
        self._log.info("serving {root}", event="serving", root=self._options["root"])
        for credentials in self._certificates:
            self._log.info("the key for TLS is {pin}", pin=credentials.pin)
        level = LogLevel.warn if shelves.access.open else LogLevel.info
        self._log.emit(level, shelves.access.in_words)
        self._every(EXPIRE_EVERY, shelves.uploads.expire)
        self._every(RECORD_EVERY, shelves.record)

    async def _stop(self) -> None:
        await _stop_listening(self.listening)
        if self._shelves is not None:
            await self._drain(self._shelves.draining)
        for loop in self._loops:
            loop.stop()
        self._loops.clear()
        if self._shelves is not None:
            await self.factory.end_all(Ending.SERVER_STOPPED, STOP_WITHIN)
            self._tell_of(self._shelves.draining)
            if self._watching is not None:
                await self._watching.stop()
            # Until now it could be asked whether it is still there.
            await _stop_listening(self._watched)
            self._shelves.close()
            self._shelves = None

    async def _drain(self, draining: Draining) -> None:
        draining.on = True
        seconds = self._options["drain"]
        if not seconds or not self.factory.connections:
            return
        self._log.info(
            "connections that end within {seconds:g} s: {number}",
            seconds=seconds,
            number=len(self.factory.connections),
        )
        self._drained = self.factory.drain().addTimeout(seconds, self._reactor)
        with suppress(TimeoutError, CancelledError):
            await self._drained

    def _tell_of(self, draining: Draining) -> None:
        if draining.finished or draining.broken:
            self._log.info(
                "since the stop {finished} transfers were finished and {broken} interrupted, "
                "which can be gone on with",
                finished=draining.finished,
                broken=draining.broken,
            )

    def describe(self) -> str:
        """What it does right now, in a few words."""
        sessions = [protocol.session for protocol in self.factory.connections]
        moving = sum(session.phase in (Phase.RECEIVING, Phase.SENDING) for session in sessions)
        doing = "serving" if self.running else "stopping"
        return f"{doing}; connections: {len(sessions)}, transfers: {moving}"

    def hurry(self) -> None:
        """End what still runs, without waiting any longer for it."""
        if self._drained is not None:
            self._drained.cancel()

    def reload(self) -> None:
        """Read again what can be."""
        self.reloads.run()

    def stopService(self) -> Deferred[None]:
        """
        Stop listening, let transfers run for as long as C{--drain} says, and end what is
        left so that it can be gone on with.
        """
        super().stopService()
        return ensureDeferred(self._stop())

    def _limits(self) -> Limits:
        """What the options say, as far as the system lets us have it."""
        wanted = limits_of(self._options)
        descriptors = raise_descriptor_limit()
        if descriptors < LEAST:
            raise CannotStart(f"the system allows {descriptors} open files; {LEAST} are needed")
        limits = fitted(wanted, descriptors)
        if limits.connections < wanted.connections:
            self._log.warn(
                "{count} connections at most, for the system allows {descriptors} open files",
                count=limits.connections,
                descriptors=descriptors,
            )
        return limits

    def _open(self, limits: Limits) -> Shelves:
        try:
            return open_shelves(
                self._options["root"],
                self._reactor,
                keep=self._options["keep-partials"] * DAY,
                overwrite=not self._options["no-overwrite"],
                durable=self._options["durability"] == "commit",
                access=access_of(self._reactor, self._options, self.reloads),
                limits=limits,
            )
        except (CannotOpen, WrongRights) as error:
            raise CannotStart(str(error)) from error

    def _listen(
        self, text: str, endpoint: Any, factory: Any, ports: list[IListeningPort] | None = None
    ) -> None:
        """Every endpoint of Twisted listens, or fails, within this call."""
        outcome: list[Any] = []
        endpoint.listen(factory).addBoth(outcome.append)
        found: Any = outcome[0] if outcome else None
        error = getattr(found, "value", None)
        if error is not None:
            cause = error.socketError if isinstance(error, CannotListenError) else error
            reason = getattr(cause, "strerror", None) or cause
            raise CannotStart(f"cannot listen on {text}: {reason}") from error
        for port in found if isinstance(found, list) else [found]:
            (self.listening if ports is None else ports).append(port)
            over = " over UDP" if getattr(port.getHost(), "type", "") == "UDP" else ""
            self._log.info(
                "listening on {address}{over}",
                event="listening",
                address=address_of(port),
                over=over,
            )

    def _every(self, seconds: float, work: Callable[[], None]) -> None:
        def once() -> None:
            try:
                work()
            except Exception:  # A disk that is full now may have room next time.
                self._log.failure("periodic work")

        loop = LoopingCall(once)
        loop.clock = self._reactor
        loop.start(seconds)
        self._loops.append(loop)


async def _stop_listening(ports: list[IListeningPort]) -> None:
    while ports:
        stopping = ports.pop().stopListening()
        if stopping is not None:
            await stopping
