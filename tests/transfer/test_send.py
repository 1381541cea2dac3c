"""
Putting a run of a file on a connection: the same cases in all ways, over a real one.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor as _reactor  # noqa: TID253 - pytest-twisted has installed it
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock, deferLater
from twisted.python.failure import Failure

from filesrv.transfer import encrypted, send
from filesrv.transfer.pace import Pace
from filesrv.transfer.send import FileShrank, Outflow, Run
from filesrv.transfer.sockets import socket_under
from filesrv.transfer.tls import start_tls
from tests.support.memory import open_descriptors
from tests.support.tls import Authority, trusting

reactor: Any = _reactor

MIB = 1024 * 1024

#: Each byte tells where it is.
CONTENT = b"".join(b"%07d\n" % number for number in range(3 * MIB // 8))

#: The ways of sending, and what does it.
WAYS = {
    "by the kernel": "SendfileSending",
    "by chunks": "ChunkSending",
    "under TLS": "EncryptedSending",
}

Async = Callable[..., Awaitable[None]]


class Sender(Protocol):
    """The end that sends."""

    transport: Any

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.told: list[str] = []
        self.gone: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        self.outflow = Outflow(
            self.transport,
            self.clock,
            full=lambda: self.told.append("full"),
            drained=lambda: self.told.append("drained"),
            lost=lambda: self.told.append("lost"),
        )

    def connectionLost(self, reason: Failure = Failure(ConnectionLost())) -> None:  # noqa: B008
        self.gone.callback(None)


class Taker(Protocol):
    """The end that takes."""

    transport: Any

    def __init__(self) -> None:
        self.received = bytearray()
        self._awaited: list[tuple[int, Deferred[None]]] = []
        self.gone: Deferred[None] = Deferred()

    async def have(self, count: int) -> bytes:
        """Wait for so many bytes."""
        if len(self.received) < count:
            self._awaited.append((count, Deferred()))
            await self._awaited[-1][1]
        return bytes(self.received)

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        for waiting in list(self._awaited):
            if len(self.received) >= waiting[0]:
                self._awaited.remove(waiting)
                waiting[1].callback(None)

    def connectionLost(self, reason: Failure = Failure(ConnectionLost())) -> None:  # noqa: B008
        self.gone.callback(None)


class PacedByHand:
    """The real reactor for descriptors, and a clock that a test moves."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.addWriter = reactor.addWriter
        self.removeWriter = reactor.removeWriter
        self.callLater = self.clock.callLater


class Line:
    """Two ends of a connection."""

    def __init__(self) -> None:
        self.by_hand = PacedByHand()

    async def open(self, clock: Any) -> None:
        arrived: Deferred[Sender] = Deferred()

        def made(_: Any) -> Sender:
            sender = Sender(clock)
            reactor.callLater(0, lambda: arrived.callback(sender))
            return sender

        factory = Factory()
        factory.buildProtocol = made  # type: ignore[assignment]
        self.port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port.getHost().port)
        self.taker = await connectProtocol(endpoint, Taker())
        self.sender = await arrived

    async def secure(self, place: Path) -> None:
        authority = Authority(place)
        context = authority.pair().credentials().context
        ours = start_tls(reactor, self.sender, context, server_side=True)
        theirs = start_tls(reactor, self.taker, trusting(authority), server_hostname="localhost")
        self.sender.outflow.over(ours)
        await ours.done
        await theirs.done

    async def close(self) -> None:
        self.sender.outflow.close()
        for end in (self.sender, self.taker):
            end.transport.abortConnection()
            if not end.gone.called:
                await end.gone
        await self.port.stopListening()

    def send(self, run: Run, **options: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(self.sender.outflow.send(run, **options))


def _noted(kind: type[send.Sending], used: list[str]) -> Callable[..., send.Sending]:
    def make(*arguments: Any) -> send.Sending:
        used.append(kind.__name__)
        return kind(*arguments)

    return make


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """All ways of sending; the kernel's is left where there is no socket to give it."""
    used: list[str] = []
    for name in WAYS.values():
        home: Any = send if hasattr(send, name) else encrypted
        monkeypatch.setattr(home, name, _noted(getattr(home, name), used))
    if request.param == "by chunks":
        monkeypatch.setattr(send, "socket_of", lambda transport: None)
    monkeypatch.setattr(request.node, "ways_used", used, raising=False)
    way: str = request.param
    return way


@pytest_twisted.async_yield_fixture
async def line(way: str, tmp_path: Path) -> AsyncGenerator[Line, None]:
    made = Line()
    await made.open(reactor)
    if way == "under TLS":
        await made.secure(tmp_path)
    yield made
    await made.close()


@pytest.fixture
def file(tmp_path: Path) -> Any:
    (tmp_path / "f").write_bytes(CONTENT)
    descriptor = os.open(tmp_path / "f", os.O_RDWR)
    yield descriptor
    os.close(descriptor)


def turn() -> Deferred[None]:
    return deferLater(reactor, 0, lambda: None)


async def until(condition: Callable[[], object]) -> None:
    for _ in range(20_000):
        if condition():
            return
        await turn()
    raise AssertionError("it does not come to that")


async def settled(line: Line) -> None:
    """Wait until nothing has moved for many turns of the reactor."""
    still, seen = 0, -1
    while still < 50:
        now = line.sender.outflow.delivered + len(line.taker.received)
        still, seen = (still + 1, seen) if now == seen else (0, now)
        await turn()


@pytest_twisted.ensureDeferred
async def test_exactly_the_run_arrives(line: Line, file: int) -> None:
    total = 0
    for offset, length in ((0, len(CONTENT)), (5, 1), (MIB, MIB + 3), (len(CONTENT) - 7, 7)):
        moved: list[int] = []
        await line.send(Run(file, offset, length), moved=moved.append)
        received = await line.taker.have(total + length)
        assert received[total:] == CONTENT[offset : offset + length]
        assert sum(moved) == length
        total += length


@pytest_twisted.ensureDeferred
async def test_each_way_is_the_one_that_was_meant(
    line: Line, file: int, way: str, request: pytest.FixtureRequest
) -> None:
    await line.send(Run(file, 0, 100))

    assert request.node.ways_used == [WAYS[way]]


@pytest_twisted.ensureDeferred
async def test_an_empty_run_is_over_at_once(line: Line, file: int) -> None:
    sending = line.send(Run(file, 10, 0))

    assert sending.called
    await sending


@pytest_twisted.ensureDeferred
async def test_replies_before_and_behind_keep_their_places(line: Line, file: int) -> None:
    before = b"before" * 200_000  # too much for one write of the transport
    for _ in range(3):
        line.sender.transport.write(before)
        await line.send(Run(file, 0, MIB))
        line.sender.transport.write(b"behind")
    expected = (before + CONTENT[:MIB] + b"behind") * 3

    assert await line.taker.have(len(expected)) == expected


@pytest_twisted.ensureDeferred
async def test_a_peer_that_does_not_read_is_waited_for(line: Line, file: int) -> None:
    line.taker.transport.pauseProducing()
    done: list[int] = []

    async def send_all() -> None:
        for number in range(21):  # more than any kernel buffers
            await line.sender.outflow.send(Run(file, 0, len(CONTENT)))
            done.append(number)

    sending = Deferred.fromCoroutine(send_all())
    await settled(line)
    assert len(done) < 21
    assert len(line.sender.transport.dataBuffer) + line.sender.transport._tempDataLen < 300_000

    line.taker.transport.resumeProducing()
    await sending

    assert await line.taker.have(21 * len(CONTENT)) == 21 * CONTENT


@pytest_twisted.ensureDeferred
async def test_how_much_the_peer_has_is_known(line: Line, file: int, way: str) -> None:
    await line.send(Run(file, 0, len(CONTENT)))
    await line.taker.have(len(CONTENT))
    await until(lambda: line.sender.outflow.delivered == len(CONTENT))


@pytest_twisted.ensureDeferred
async def test_a_file_that_ends_early_is_said_to(line: Line, file: int) -> None:
    os.ftruncate(file, 1000)
    with pytest.raises(FileShrank):
        await line.send(Run(file, 400, 5000))
    line.sender.transport.write(b"behind")

    assert await line.taker.have(606) == CONTENT[400:1000] + b"behind"


@pytest_twisted.ensureDeferred
async def test_a_file_that_is_cut_while_it_is_sent_is_said_to(line: Line, file: int) -> None:
    line.taker.transport.pauseProducing()
    os.ftruncate(file, 100 * MIB)
    sending = line.send(Run(file, 0, 100 * MIB))
    await settled(line)
    os.ftruncate(file, 10)
    line.taker.transport.resumeProducing()

    with pytest.raises(FileShrank):
        await sending


@pytest_twisted.ensureDeferred
async def test_a_file_that_cannot_be_read_is_an_error(line: Line, tmp_path: Path) -> None:
    writable = os.open(tmp_path / "w", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match="descriptor"):
        await line.send(Run(writable, 0, 10))
    os.close(writable)


@pytest_twisted.ensureDeferred
async def test_a_peer_that_vanishes_midway_ends_it(line: Line, file: int) -> None:
    os.ftruncate(file, 100 * MIB)
    line.taker.transport.pauseProducing()
    sending = line.send(Run(file, 0, 100 * MIB))
    await settled(line)
    line.taker.transport.abortConnection()

    with pytest.raises((ConnectionLost, ConnectionResetError, BrokenPipeError)):
        await sending
    with pytest.raises((ConnectionLost, OSError)):
        await line.send(Run(file, 0, 10))


@pytest_twisted.ensureDeferred
async def test_closing_our_end_ends_it(line: Line, file: int) -> None:
    os.ftruncate(file, 100 * MIB)
    line.taker.transport.pauseProducing()
    sending = line.send(Run(file, 0, 100 * MIB))
    await settled(line)
    line.sender.outflow.close()

    with pytest.raises(ConnectionLost):
        await sending
    with pytest.raises(ConnectionLost):
        await line.send(Run(file, 0, 10))
    with pytest.raises(ConnectionLost):
        await line.sender.outflow.drained()


@pytest_twisted.ensureDeferred
async def test_a_sending_can_be_cancelled_and_the_connection_used_on(line: Line, file: int) -> None:
    os.ftruncate(file, 100 * MIB)
    line.taker.transport.pauseProducing()
    below = socket_under(line.sender.transport)
    assert below is not None
    below.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)  # too little for a piece
    sent: list[int] = []
    sending = line.send(Run(file, 0, 100 * MIB), moved=sent.append)
    await settled(line)
    sending.cancel()
    with pytest.raises(CancelledError):
        await sending
    line.sender.transport.write(b"behind")
    line.taker.transport.resumeProducing()

    received = await line.taker.have(sum(sent) + 6)
    assert len(received) == sum(sent) + 6
    assert received.endswith(b"behind")
    assert received[:-6][: len(CONTENT)] == CONTENT[: sum(sent)]


@pytest_twisted.ensureDeferred
async def test_the_pace_is_kept(way: str, file: int) -> None:
    line = Line()
    await line.open(line.by_hand)
    clock = line.by_hand.clock
    rate = 100_000
    sending = line.send(Run(file, 0, 5 * rate), pace=Pace(clock, rate))
    for second in range(1, 5):
        await settled(line)
        for _ in range(100):
            clock.advance(0.01)
            await turn()
        await settled(line)
        assert len(line.taker.received) == pytest.approx(second * rate, rel=0.1)
        assert not sending.called
    for _ in range(120):
        clock.advance(0.01)
        await settled(line) if _ % 30 == 0 else await turn()
    await sending

    assert await line.taker.have(5 * rate) == CONTENT[: 5 * rate]
    await line.close()


@pytest_twisted.ensureDeferred
async def test_a_paced_sending_to_a_peer_that_does_not_read_buffers_no_more(
    way: str, file: int
) -> None:
    line = Line()
    await line.open(line.by_hand)
    os.ftruncate(file, 100 * MIB)
    line.taker.transport.pauseProducing()
    sending = line.send(Run(file, 0, 100 * MIB), pace=Pace(line.by_hand.clock, MIB))
    # In steps of one chunk, so that there is always something to wait for.
    for _ in range(500):
        line.by_hand.clock.advance(0.05)
        await turn()
    transport = line.sender.transport
    held = len(transport.dataBuffer) + transport._tempDataLen

    assert not sending.called
    assert held < MIB // 2
    sending.addErrback(lambda failure: None)
    await line.close()


@pytest_twisted.ensureDeferred
async def test_no_descriptor_is_left_however_it_ends(way: str, file: int) -> None:
    before = open_descriptors()
    for ending in ("whole", "cancelled", "lost", "shrank"):
        line = Line()
        await line.open(reactor)
        if ending == "whole":
            await line.send(Run(file, 0, MIB))
        elif ending == "shrank":
            with pytest.raises(FileShrank):
                await line.send(Run(file, len(CONTENT) - 1, 2))
        else:
            line.taker.transport.pauseProducing()
            sending = line.send(Run(file, 0, len(CONTENT)))
            if ending == "cancelled":
                sending.cancel()
            else:
                line.taker.transport.abortConnection()
            sending.addErrback(lambda failure: None)
        await line.close()
    await until(lambda: open_descriptors() == before)


@pytest_twisted.ensureDeferred
async def test_replies_that_nobody_reads_are_said_to_be_full_and_then_drained(
    line: Line,
) -> None:
    outflow = line.sender.outflow
    line.taker.transport.pauseProducing()
    while outflow.ready:
        line.sender.transport.write(b"x" * 10_000)
        await turn()
    waiting = Deferred.fromCoroutine(outflow.drained())
    await turn()
    assert not waiting.called
    line.taker.transport.resumeProducing()
    await waiting
    await turn()

    assert line.sender.told[1:] == ["drained"]
    await outflow.drained()


@pytest_twisted.ensureDeferred
async def test_who_waits_for_a_drain_is_told_when_the_connection_goes(line: Line) -> None:
    line.taker.transport.pauseProducing()
    while line.sender.outflow.ready:
        line.sender.transport.write(b"x" * 10_000)
        await turn()
    waiting = Deferred.fromCoroutine(line.sender.outflow.drained())
    line.taker.transport.abortConnection()

    with pytest.raises(ConnectionLost):
        await waiting
    assert line.sender.told == ["full", "lost"]


@pytest.mark.parametrize("after", [0, 1, 2])
@pytest_twisted.ensureDeferred
async def test_where_the_kernel_cannot_the_process_copies(
    file: int, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    real = os.sendfile
    calls: list[int] = []

    def sendfile(out: int, source: int, offset: int, count: int) -> int:
        calls.append(offset)
        if len(calls) > after:
            raise OSError(errno.EINVAL, "not this file")
        return real(out, source, offset, min(count, 100_000))

    monkeypatch.setattr(os, "sendfile", sendfile)
    line = Line()
    await line.open(reactor)
    line.sender.transport.write(b"before")
    await line.send(Run(file, 7, MIB))
    line.sender.transport.write(b"behind")

    received = await line.taker.have(MIB + 12)
    assert received == b"before" + CONTENT[7 : 7 + MIB] + b"behind"
    await line.close()
