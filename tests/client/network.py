"""
A network in memory between the real client and the real server: one clock, one order of
events, and breaks at exactly the byte that a test names.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionLost
from twisted.internet.main import CONNECTION_DONE
from twisted.python.failure import Failure

from filesrv.client.connection import Connection
from filesrv.client.errors import CannotConnect
from filesrv.client.protocol import ClientProtocol
from filesrv.client.recovery import Recovery, Trouble, never
from filesrv.client.report import Journey, Report, Summary
from filesrv.transfer.liveness import Liveness
from tests.support.memory import Client, MemoryReactor, Server

__all__ = ["MIB", "ClientEnd", "Network", "Notes"]

MIB = 1024 * 1024

Result = TypeVar("Result")


class ClientEnd(FileDescriptor):
    """The client's transport: what Twisted's TCP is, with the server's far end for a socket."""

    def __init__(self, network: Network, protocol: ClientProtocol, far: Client) -> None:
        super().__init__(network.reactor)  # type: ignore[arg-type]
        self.network = network
        self.protocol = protocol
        self.far = far
        self.connected = 1
        self.read = 0
        self.sent = 0
        self._aborting = self._broken = False

    @property
    def readable(self) -> bool:
        if self._aborting or self._broken or self.network.silent:
            return False
        return self.read < len(self.far.received) or self.far.closed or self.far.was_reset

    @property
    def writable(self) -> bool:
        if (
            self._aborting
            or self._broken
            or (self.network.silent and self.sent >= self.network.in_flight)
        ):
            return False
        return not self.far.on_its_way or self.far.closed

    def doRead(self) -> Exception | None:
        data = bytes(self.far.received[self.read : self.read + self.bufferSize])
        cuts = self.network.cuts_down
        if cuts:
            data = data[: max(0, cuts[0] - self.network.down)]
        self.read += len(data)
        data = _flipped(data, self.network.down, self.network.flips_down)
        self.network.down += len(data)
        if data:
            self.protocol.dataReceived(data)
            return None
        if self.far.was_reset or (cuts and self.network.down >= cuts[0]):
            del cuts[:1]
            self._reset_far()
            return ConnectionLost()
        return CONNECTION_DONE if self.far.closed else None

    def writeSomeData(self, data: bytes) -> int | BaseException:  # noqa: N802
        if self.far.was_reset or self.far.closed:
            return ConnectionLost()
        data = bytes(data[: 64 * 1024])
        cuts = self.network.cuts_up
        if cuts:
            data = data[: cuts[0] - self.network.up]
        self.sent += len(data)
        data = _flipped(data, self.network.up, self.network.flips_up)
        self.network.up += len(data)
        if not self.network.silent:
            self.far.send(data)
        if cuts and self.network.up >= cuts[0]:
            del cuts[0]
            self._broken = True
            self.network.reactor.callLater(0, self._reset)
        return len(data)

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", self.network.host, 9000)

    def _reset(self) -> None:
        self._reset_far()
        if not self.disconnected:
            self.connectionLost(Failure(ConnectionLost()))

    def _reset_far(self) -> None:
        """What was on its way still arrives: it left before the break."""
        while self.far.on_its_way and not self.far.closed:
            self.network.reactor.settle()
        if not self.far.closed:
            self.far.was_reset = True
            self.far.transport.startReading()

    def abortConnection(self) -> None:
        if not self.disconnected and not self._aborting:
            self._aborting = True
            self.stopReading()
            self.stopWriting()
            self.network.reactor.callLater(0, self.connectionLost, Failure(ConnectionAborted()))

    def connectionLost(self, reason: Failure) -> None:
        if not self.disconnected:
            super().connectionLost(reason)
            if not self.network.silent and not self.far.closed:
                self.far.was_reset = True
                self.far.transport.startReading()
            self.protocol.connectionLost(reason)


def _flipped(data: bytes, start: int, flips: Container[int] | None) -> bytes:
    """C{data}, which begin at C{start}, as they arrive over a way that changes bytes."""
    if flips is None:
        return data
    changed = bytearray(data)
    for index in range(len(data)):
        if start + index in flips:
            changed[index] ^= 1
    return bytes(changed)


class Network:
    """
    The way to one server.

    @ivar cuts_up: after how many bytes, over all connections, each reset comes.
    @ivar cuts_down: the same for bytes that come down.
    @ivar flips_up: which bytes, counted over all connections, arrive changed.
    @ivar flips_down: the same for bytes that come down.
    @ivar refusals: how many tries to connect are refused from now on.
    @ivar silent: whether the path is black: nothing comes, nothing is answered.
    @ivar in_flight: bytes that a client's kernel takes although nothing is answered.
    @ivar connections: how many there have been.
    @ivar host: where the client takes the server to be.
    """

    def __init__(self, root: Path, token: str | None = "t" * 32) -> None:
        self.reactor = MemoryReactor()
        self.server = Server(root, reactor=self.reactor)
        self.token = token
        self.liveness = Liveness(self.reactor, 30.0, 300.0)
        self.cuts_up: list[int] = []
        self.cuts_down: list[int] = []
        self.flips_up: Container[int] | None = None
        self.flips_down: Container[int] | None = None
        self.up = self.down = 0
        self.refusals = self.connections = self.in_flight = 0
        self.silent = False
        self.host = "198.51.100.1"
        self._refuse_after: tuple[int, int] | None = None

    def connect(self) -> Deferred[Connection]:
        """As L{filesrv.client.connect}."""
        return Deferred.fromCoroutine(self._connect())

    async def _connect(self) -> Connection:
        if self.silent:
            silence: Deferred[None] = Deferred()
            silence.addTimeout(12.0, self.reactor)
            try:
                await silence
            except TimeoutError as error:
                raise CannotConnect("the server does not answer") from error
        if self._refuse_after is not None and self.connections == self._refuse_after[0]:
            self.refusals, self._refuse_after = self._refuse_after[1], None
        if self.refusals:
            self.refusals -= 1
            raise CannotConnect("the connection was refused")
        self.connections += 1
        far = Client(self.server, IPv4Address("TCP", "192.0.2.1", 40_000 + self.connections))
        protocol = ClientProtocol(self.reactor, self.liveness)
        transport = ClientEnd(self, protocol, far)
        protocol.makeConnection(transport)
        if not protocol.paused:
            transport.startReading()
        await protocol.greeted()
        connection = Connection(protocol)
        if self.token is not None:
            Deferred.fromCoroutine(connection.hello(self.token)).addErrback(lambda _: None)
        return connection

    def after_connects(self, count: int, refuse: int) -> None:
        """Refuse so many tries once there have been so many connections."""
        self._refuse_after = (count, refuse)

    def recovery(self, **more: Any) -> Recovery:
        """One that comes back over this network, without jitter."""
        options: dict[str, Any] = {"decide": never, "jitter": lambda: 1.0, **more}
        return Recovery(self.reactor, self.connect, **options)

    def begin(self, work: Coroutine[Any, Any, Result]) -> Deferred[Result]:
        """Start something, and let happen what can without time passing."""
        running = Deferred.fromCoroutine(work)
        self.reactor.settle()
        return running

    def run(self, work: Coroutine[Any, Any, Result], within: float = 3600.0) -> Result:
        """The result of something, time passing as it must."""
        return self.finish(self.begin(work), within)

    def finish(self, running: Deferred[Result], within: float = 3600.0) -> Result:
        """The result of what L{begin} started."""
        results: list[Any] = []
        running.addBoth(results.append)
        self.pass_until(lambda: bool(results), within)
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]  # type: ignore[no-any-return]

    def pass_until(self, happened: Callable[[], bool], within: float = 3600.0) -> float:
        """Let time pass, from one thing that was planned to the next; seconds it took."""
        started = self.reactor.seconds()
        self.reactor.settle()
        while not happened():
            planned = [call.getTime() for call in self.reactor.getDelayedCalls()]
            assert planned, "nothing more will happen"
            assert min(planned) <= started + within, f"not within {within} s"
            self.reactor.advance(max(0.0, min(planned) - self.reactor.seconds()))
            self.reactor.settle()
        return self.reactor.seconds() - started

    def close(self) -> None:
        """End, and leave nothing open."""
        self.server.close()


class Notes(Report):
    """Writes down what a transfer tells."""

    def __init__(self) -> None:
        self.positions: list[tuple[str, int]] = []
        self.moved = 0
        self.summaries: list[Summary] = []
        self.failures: dict[str, Exception] = {}
        self.words: list[str] = []
        self.troubles: list[Trouble | None] = []

    def began(self, journey: Journey) -> None:
        self.positions.append((journey.name, journey.position))

    def advanced(self, journey: Journey, count: int) -> None:
        self.positions.append((journey.name, journey.position))
        self.moved += count

    def done(self, summary: Summary) -> None:
        self.summaries.append(summary)

    def failed(self, name: str, error: Exception) -> None:
        self.failures[name] = error

    def note(self, words: str) -> None:
        self.words.append(words)

    def trouble(self, trouble: Trouble | None) -> None:
        self.troubles.append(trouble)
