"""A server that says what a script says, whatever it is asked, and the real client before it."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Coroutine
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from filesrv.client.address import ServerAddress
from filesrv.client.connection import Connection
from filesrv.client.console import Console
from filesrv.client.errors import CannotConnect
from filesrv.client.outcomes import explain
from filesrv.client.protocol import ClientProtocol
from filesrv.client.session import Session
from filesrv.client.settings import Settings
from filesrv.client.state import State
from filesrv.disk.flushing import Flushing
from tests.client.network import ClientEnd
from tests.support.memory import MemoryReactor

__all__ = ["HostileServer", "Victim"]

#: Seconds that pass before a run has hung.
_HANGS_AFTER = 10_000.0


class _Far:
    """What L{ClientEnd} has in place of a socket: it answers each line with the next answer."""

    was_reset = False

    def __init__(self, answers: deque[bytes]) -> None:
        self._answers = answers
        self._line = bytearray()
        self.received = bytearray(answers.popleft())
        self.closed = not answers
        self.on_its_way: tuple[bytes, ...] = ()
        self.transport = SimpleNamespace(startReading=lambda: None)

    def send(self, data: bytes) -> None:
        for _ in range(data.count(b"\n")):
            if self._answers:
                self.received += self._answers.popleft()
            self.closed = not self._answers


class HostileServer:
    """
    The way to it, which L{ClientEnd} takes for a network.

    @ivar connections: how many there have been.
    """

    silent = False
    in_flight = up = down = 0
    flips_up = flips_down = None

    def __init__(self, answers: list[bytes]) -> None:
        self.reactor = MemoryReactor()
        self.answers = deque(answers)
        self.cuts_up: list[int] = []
        self.cuts_down: list[int] = []
        self.connections = 0
        self._far: _Far | None = None

    def fall_silent(self) -> None:
        """
        Close: more is not coming.

        @raise AssertionError: the client waits all the same.
        """
        assert self._far is not None, "the client waits for ever"
        assert not self._far.closed, "the client waits for ever"
        self._far.closed = True
        self.answers.clear()
        self.reactor.settle()

    def connect(self, liveness: Any) -> Deferred[Connection]:
        """As L{filesrv.client.connect}, while there is anything left to say."""
        return Deferred.fromCoroutine(self._connect(liveness))

    async def _connect(self, liveness: Any) -> Connection:
        if not self.answers:
            raise CannotConnect("nobody answers")
        self.connections += 1
        protocol = ClientProtocol(self.reactor, liveness)
        network: Any = self
        far: Any = _Far(self.answers)
        self._far = far
        transport = ClientEnd(network, protocol, far)
        protocol.makeConnection(transport)
        if not protocol.paused:
            transport.startReading()
        try:
            await protocol.greeted()
        except BaseException:
            protocol.abort()
            raise
        return Connection(protocol)


class _Session(Session):
    def __init__(self, server: HostileServer, console: Console, settings: Settings, state: State):
        self._far_end = server
        address = ServerAddress("server.example")
        super().__init__(server.reactor, console, settings, address, state)

    def _connect(self) -> Deferred[Connection]:
        return self._far_end.connect(self._liveness)

    @cached_property
    def flushing(self) -> Flushing:
        """At once: the reactor in memory waits for no kernel."""
        return Flushing()


class Victim:
    """
    The command C{filesrv}, in memory but for its files.

    @ivar stdout: what it wrote there.
    @ivar stderr: likewise.
    """

    def __init__(self, place: Path, answers: list[bytes], verify: bool) -> None:
        """
        @param place: where it keeps its state.
        """
        self.server = HostileServer(answers)
        self.stdout, self.stderr = io.StringIO(), io.StringIO()
        self._stdin = io.StringIO()
        console = Console(self._stdin, self.stdout, self.stderr)
        settings = Settings(verify=verify, on_trouble="stop", patience=20.0)
        state = State({"XDG_STATE_HOME": str(place)})
        self.session: Session = _Session(self.server, console, settings, state)

    def run(self, job: Callable[[Session], Coroutine[Any, Any, None]]) -> None:
        """
        Run a job to its end, and say how it ended as the command does.

        @raise AssertionError: it has a fault, or hangs.
        """
        reactor = self.server.reactor
        results: list[Any] = []
        Deferred.fromCoroutine(job(self.session)).addBoth(results.append)
        patience_ends = reactor.seconds() + _HANGS_AFTER
        reactor.settle()
        while not results:
            planned = [call.getTime() for call in reactor.getDelayedCalls()]
            if not planned or min(planned) > patience_ends:
                # An answer that may take as long as it likes, as HASH may.
                self.server.fall_silent()
                patience_ends = reactor.seconds() + _HANGS_AFTER
                continue
            reactor.advance(max(0.0, min(planned) - reactor.seconds()))
            reactor.settle()
        if isinstance(results[0], Failure):
            error = results[0].value or AssertionError("a failure of nothing")
            message, _ = explain(error)
            if message.startswith("a fault of this program"):
                raise AssertionError(message) from error
            self.session.console.error(message)
        self.session.recovery.abort()
        reactor.settle()
