"""
The twistd plugin's options and service: they wire the rooms together, and nothing
listens, or touches the disk, before the service starts.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from filesrv import __version__
from filesrv.server.factory import FilesrvFactory
from filesrv.server.shelves import CannotOpen, Shelves, open_shelves
from filesrv.server.trust import RECORD_EVERY
from filesrv.small_services.options import FLAGS, PARAMETERS, small_services
from filesrv.transfer.liveness import Liveness
from filesrv.transfer.sockets import is_dual_stack
from filesrv.wire.endings import Ending

__all__ = ["CannotStart", "DualStackEndpoint", "FilesrvService", "Options", "makeService"]

DEFAULT_PORT = "9000"

#: Seconds between looks for transfers that have expired.
EXPIRE_EVERY = 600.0

#: Seconds that the connections get to read their last reply when the daemon stops.
STOP_WITHIN = 2.0

DAY = 86400.0

DURABILITIES = ("commit", "none")

#: The options that are numbers, with the least and the most that each may be.
_NUMBERS = (
    ("keep-partials", 0.0, 36500.0),
    ("dead-after", 10.0, 300.0),
    ("stall-timeout", 10.0, 86400.0),
)


#: What a machine without IPv6 says.
_NO_IPV6 = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})


class CannotStart(Exception):
    """What the administrator has to change first."""


class Options(UsageOptions):
    """The options behind C{twistd filesrv}."""

    synopsis = "[options]"
    longdesc = "A file server whose transfers go on after any break."

    optFlags = [  # noqa: RUF012
        ["no-overwrite", None, "Refuse to replace, rename or delete what is published."],
        *FLAGS,
    ]
    optParameters = [  # noqa: RUF012
        [
            "root",
            "r",
            None,
            "Where the files are kept [default: $STATE_DIRECTORY, else ./filesrv-files].",
        ],
        ["keep-partials", None, 7.0, "Days to keep what arrived of an unfinished upload."],
        ["dead-after", None, 30.0, "Seconds in which a peer that vanished is noticed, 10 to 300."],
        [
            "durability",
            None,
            "commit",
            "When OK is said: commit, the file is on disk; none, the kernel has it.",
        ],
        ["stall-timeout", None, 300.0, "Seconds that a peer may pause a transfer."],
        *PARAMETERS,
    ]

    def __init__(self) -> None:
        super().__init__()
        self["ports"] = []

    def opt_port(self, value: str) -> None:
        """
        Where to listen: a port number, for IPv4 and IPv6, or a Twisted endpoint
        description. May be given more than once. [default: 9000]
        """
        self["ports"].append(value)

    opt_p = opt_port

    def opt_version(self) -> NoReturn:
        """Display the version and exit."""
        print(f"filesrv {__version__}")
        raise SystemExit(0)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """
        @raise SystemExit: they are wrong; twistd itself would print all of its help
            and exit with status 0.
        """
        try:
            super().parseOptions(options)
        except UsageError as error:
            raise SystemExit(f"filesrv: {error}") from None

    def postOptions(self) -> None:
        self["ports"] = self["ports"] or [DEFAULT_PORT]
        for option, least, most in _NUMBERS:
            self[option] = _number(option, self[option], least, most)
        if self["durability"] not in DURABILITIES:
            raise UsageError(f"--durability is {' or '.join(DURABILITIES)}")
        state = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
        self["root"] = os.path.abspath(self["root"] or state or "filesrv-files")


def _number(option: str, text: object, least: float, most: float) -> float:
    try:
        value = float(str(text))
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise UsageError(f"--{option} takes a number from {least:g} to {most:g}, not {text}")
    return value


class DualStackEndpoint:
    """
    A port number, on IPv4 and IPv6 at once where the machine has both.

    Like an C{IStreamServerEndpoint}, but C{listen} may give two ports.
    """

    def __init__(self, reactor: Any, port: int) -> None:
        self._reactor = reactor
        self._port = port

    def listen(self, factory: Factory) -> Deferred[list[IListeningPort]]:
        """Listen on one socket for both families, or on one for each."""
        return ensureDeferred(self._listen(factory))

    async def _listen(self, factory: Factory) -> list[IListeningPort]:
        try:
            six = self._reactor.listenTCP(self._port, factory, interface="::")
        except CannotListenError as error:
            if getattr(error.socketError, "errno", None) in _NO_IPV6:
                return [self._reactor.listenTCP(self._port, factory)]
            raise
        if is_dual_stack(six.socket):
            return [six]
        return [six, self._reactor.listenTCP(six.getHost().port, factory)]


def endpoint_of(reactor: Any, description: str, option: str = "port") -> Any:
    """
    The endpoint that C{option} describes.

    @raise UsageError: it describes none.
    """
    if description.isascii() and description.isdigit():
        if int(description) > 65535:
            raise UsageError(f"--{option} {description}: ports go up to 65535")
        return DualStackEndpoint(reactor, int(description))
    try:
        return serverFromString(reactor, description)
    except Exception as error:  # plugins raise what they like
        raise UsageError(f"--{option} {description}: {error}") from error


class FilesrvService(Service):
    """
    The daemon.

    @ivar factory: while it runs, the factory of its connections.
    @ivar listening: while it runs, the ports that it listens on.
    """

    _log = Logger()
    factory: FilesrvFactory

    def __init__(self, reactor: Any, options: Options) -> None:
        self._reactor = reactor
        self._options = options
        self._endpoints = [(text, endpoint_of(reactor, text)) for text in options["ports"]]
        self._small = small_services(reactor, options, endpoint_of)
        self._loops: list[LoopingCall] = []
        self._shelves: Shelves | None = None
        self.listening: list[IListeningPort] = []
        self.setName("filesrv")

    def startService(self) -> None:
        """
        @raise CannotStart: the root cannot be used, or a port not be listened on.
        """
        super().startService()
        shelves = self._shelves = self._open()
        liveness = Liveness(
            self._reactor, self._options["dead-after"], self._options["stall-timeout"]
        )
        self.factory = FilesrvFactory(self._reactor, shelves, liveness)
        try:
            for text, endpoint in self._endpoints:
                self._listen(text, endpoint, self.factory)
            for text, endpoint, answers in self._small:
                self._listen(text, endpoint, answers)
        except CannotStart:
            for port in self.listening:
                port.stopListening()
            shelves.close()
            raise
        self._log.info("serving {root}", root=self._options["root"])
        self._log.warn("anybody who reaches this server may read and write its files")
        self._every(EXPIRE_EVERY, shelves.uploads.expire)
        self._every(RECORD_EVERY, shelves.record)

    async def _stop(self) -> None:
        for loop in self._loops:
            loop.stop()
        self._loops.clear()
        for port in self.listening:
            stopping = port.stopListening()
            if stopping is not None:
                await stopping
        self.listening.clear()
        if self._shelves is not None:
            await self.factory.end_all(Ending.SERVER_STOPPED, STOP_WITHIN)
            self._shelves.close()
            self._shelves = None

    def stopService(self) -> Deferred[None]:
        """Stop listening, end every connection so that it can be gone on with."""
        super().stopService()
        return ensureDeferred(self._stop())

    def _open(self) -> Shelves:
        try:
            return open_shelves(
                self._options["root"],
                self._reactor,
                keep=self._options["keep-partials"] * DAY,
                overwrite=not self._options["no-overwrite"],
                durable=self._options["durability"] == "commit",
            )
        except CannotOpen as error:
            raise CannotStart(str(error)) from error

    def _listen(self, text: str, endpoint: Any, factory: Any) -> None:
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
            self.listening.append(port)
            over = ", UDP" if getattr(port.getHost(), "type", "") == "UDP" else ""
            self._log.info("listening on {address}{over}", address=_address(port), over=over)

    def _every(self, seconds: float, work: Callable[[], None]) -> None:
        loop = LoopingCall(work)
        loop.clock = self._reactor
        loop.start(seconds).addErrback(lambda failure: self._log.failure("periodic work", failure))
        self._loops.append(loop)


def _address(port: Any) -> str:
    """Where a port listens, as a log line and a test read it."""
    host = port.getHost()
    if not hasattr(host, "port"):
        return f"unix:{os.fsdecode(host.name)}"
    if host.host != "::":
        return f"[{host.host}]:{host.port}" if ":" in host.host else f"{host.host}:{host.port}"
    both = " (IPv4 and IPv6)" if is_dual_stack(port.socket) else ""
    return f"[::]:{host.port}{both}"


class _TwistdService(FilesrvService):
    """What cannot start ends twistd with one line and status 1, not with a traceback."""

    def startService(self) -> None:
        try:
            super().startService()
        except CannotStart as error:
            self._give_up(str(error))

    def _give_up(self, words: str) -> NoReturn:
        twistd: Any = self._options.parent or {}
        if "statusPipe" in twistd:
            self._log.critical("{words}", words=words)
            # Whoever started the daemon waits for this, and reads 100 bytes of it.
            os.write(twistd["statusPipe"], b"1 " + words.encode()[:98])
        else:
            print(f"filesrv: {words}", file=sys.__stderr__)
        with suppress(OSError):
            os.unlink(twistd.get("pidfile") or "")
        raise SystemExit(1)


def makeService(options: Options) -> IService:
    """What the twistd plugin calls."""
    from twisted.internet import reactor

    with _one_line():
        return _TwistdService(reactor, options)


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except UsageError as error:
        raise SystemExit(f"filesrv: {error}") from None
