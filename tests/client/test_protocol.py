"""The client's side of a connection, with a scripted server and a clock."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from filesrv.client import turns
from filesrv.client.connection import Connection
from filesrv.client.errors import ConnectionEnded
from filesrv.client.protocol import ClientProtocol
from filesrv.transfer.liveness import Liveness
from filesrv.transfer.pace import Pace
from filesrv.wire.endings import Ending
from filesrv.wire.errors import NotFound, ShuttingDown
from filesrv.wire.replies import MalformedReply

Result = TypeVar("Result")

GREETING = b"OK filesrv 1.0 ready\r\n"

SIZES = [*range(1, 10), 1000]


class Transport(StringTransport):
    """One that knows whether it was aborted."""

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True


class Wire:
    """A client's protocol, and what a test sends and sees at the other end."""

    def __init__(self, greeted: bool = True) -> None:
        self.clock = Clock()
        self.protocol = ClientProtocol(self.clock, Liveness(self.clock, 30, 300))
        self.transport = Transport()
        self.protocol.makeConnection(self.transport)
        if greeted:
            self.greeting = start(self.protocol.greeted())
            self.say(GREETING)
            assert self.greeting.called

    def say(self, data: bytes, size: int = 1000) -> None:
        """The server says something, in reads of so many bytes."""
        for at in range(0, len(data), size):
            self.protocol.dataReceived(data[at : at + size])

    def lose(self, reason: Exception | None = None) -> None:
        self.protocol.connectionLost(Failure(reason or ConnectionLost()))

    def ask(self, line: bytes) -> Deferred[Any]:
        """Send a command whose answer is one reply."""

        async def ask() -> Any:
            async with self.protocol.turn(line) as turn:
                return await turn.reply()

        return start(ask())

    def ask_lines(self, line: bytes) -> Deferred[list[bytes]]:
        async def ask() -> list[bytes]:
            async with self.protocol.turn(line) as turn:
                return await turn.counted()

        return start(ask())

    def fetch(self, length: int, pace: Pace | None = None) -> tuple[Deferred[Any], bytearray]:
        """Send a command that is answered by a reply, a payload and a reply."""
        came = bytearray()

        async def fetch() -> Any:
            async with self.protocol.turn(b"DOWNLOAD f") as turn:
                await turn.reply()
                await turn.payload(Sink(came.extend), length, pace)
                return await turn.reply()

        return start(fetch()), came


class Sink:
    def __init__(self, write: Callable[[bytes | memoryview], None]) -> None:
        self.write = write


def start(work: Coroutine[Any, Any, Result]) -> Deferred[Result]:
    return Deferred.fromCoroutine(work)


def result_of(deferred: Deferred[Result]) -> Result:
    results: list[Any] = []
    deferred.addBoth(results.append)
    assert results, "nothing yet"
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("size", SIZES)
def test_commands_sent_ahead_are_answered_in_their_order(size: int) -> None:
    wire = Wire()
    first, second, third = wire.ask(b"A"), wire.ask_lines(b"B"), wire.ask(b"C")

    wire.say(b"OK x=1\nOK lines=2\none\ntwo\r\nOK x=3\n", size)

    assert wire.transport.value() == b"A\nB\nC\n"
    assert result_of(first).fields == {"x": "1"}
    assert result_of(second) == [b"one", b"two"]
    assert result_of(third).fields == {"x": "3"}


@pytest.mark.parametrize("size", SIZES)
def test_a_payload_is_taken_off_between_two_replies(size: int) -> None:
    wire = Wire()
    done, came = wire.fetch(12)
    other = wire.ask(b"STAT g")

    wire.say(b"OK length=12\nOK not\r\nERR\nOK sent=12\nOK size=1\n", size)

    assert bytes(came) == b"OK not\r\nERR\n"
    assert result_of(done).fields == {"sent": "12"}
    assert result_of(other).fields == {"size": "1"}


def test_no_lines_and_no_bytes_are_waited_for_where_none_were_announced() -> None:
    wire = Wire()
    lines = wire.ask_lines(b"LIST")
    done, came = wire.fetch(0)

    wire.say(b"OK lines=0\nOK length=0\nOK sent=0\n")

    assert result_of(lines) == []
    assert result_of(done).fields == {"sent": "0"}
    assert not came


def test_a_refusal_is_raised_as_the_servers_own_and_the_connection_goes_on() -> None:
    wire = Wire()
    first, second = wire.ask(b"A"), wire.ask(b"B")

    wire.say(b"ERR NOT_FOUND there is no file f\nOK\n")

    with pytest.raises(NotFound, match="no file f"):
        result_of(first)
    result_of(second)
    assert not wire.transport.aborted


@pytest.mark.parametrize(
    "greeting",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"220 mail.example.org ESMTP\r\n",
        b"OK MPD 0.23.5\n",
        b"+OK POP3\r\n",
        b"\n",
        b"x" * 20_000,
    ],
)
def test_who_greets_otherwise_is_no_filesrv_server(greeting: bytes) -> None:
    wire = Wire(greeted=False)
    greeted = start(wire.protocol.greeted())

    wire.say(greeting)

    with pytest.raises(MalformedReply, match="filesrv"):
        result_of(greeted)
    assert wire.transport.aborted


def test_a_server_that_is_full_says_so_in_its_greeting() -> None:
    wire = Wire(greeted=False)
    greeted = start(wire.protocol.greeted())

    wire.say(b"ERR SHUTTING_DOWN\r\n")

    with pytest.raises(ShuttingDown):
        result_of(greeted)


def test_the_greeting_waits_for_whoever_asks() -> None:
    wire = Wire(greeted=False)
    assert wire.transport.producerState == "paused"
    greeted = start(wire.protocol.greeted())
    assert wire.transport.producerState == "producing"

    wire.say(GREETING)

    assert result_of(greeted).words == "filesrv 1.0 ready"


def test_nothing_is_read_while_the_first_in_line_does_something_else() -> None:
    """A payload behind a reply must not be taken for lines before its sink is ready."""
    wire = Wire()
    ready: Deferred[None] = Deferred()
    came = bytearray()

    async def fetch() -> None:
        async with wire.protocol.turn(b"DOWNLOAD f") as turn:
            await turn.reply()
            await ready
            await turn.payload(Sink(came.extend), 3)

    done = start(fetch())
    wire.say(b"OK\nab\n")
    assert wire.transport.producerState == "paused"
    assert not came

    ready.callback(None)

    result_of(done)
    assert bytes(came) == b"ab\n"
    assert wire.transport.producerState == "producing"


@pytest.mark.parametrize(
    ("reason", "ending"),
    [(ConnectionDone(), Ending.CLOSED), (ConnectionLost(), Ending.RESET)],
)
def test_every_wait_ends_with_the_connection(reason: Exception, ending: Ending) -> None:
    wire = Wire()
    waits = [wire.ask(b"A"), wire.ask_lines(b"B"), wire.fetch(5)[0]]
    wire.say(b"OK\n")

    wire.lose(reason)
    waits.append(wire.ask(b"TOO LATE"))

    result_of(waits.pop(0))
    for wait in waits:
        with pytest.raises(ConnectionEnded) as caught:
            result_of(wait)
        assert caught.value.ending is ending


@pytest.mark.parametrize("begun", [b"OK lines=3\none\ntw", b"OK le"])
def test_an_answer_that_is_cut_short_is_none(begun: bytes) -> None:
    wire = Wire()
    lines = wire.ask_lines(b"LIST")
    wire.say(begun)

    wire.lose()

    with pytest.raises(ConnectionEnded):
        result_of(lines)


@pytest.mark.parametrize(
    ("said", "ending"),
    [
        (b"ERR SHUTTING_DOWN\r\n", Ending.SERVER_STOPPED),
        (b"ERR TAKEN_OVER\r\n", Ending.TAKEN_OVER),
        (b"ERR STALLED\r\n", Ending.STALLED),
        (b"ERR IDLE\r\n", Ending.IDLE),
    ],
)
def test_what_a_server_says_unasked_is_why_it_closes(said: bytes, ending: Ending) -> None:
    wire = Wire()

    wire.say(said)
    wire.lose(ConnectionDone())

    assert isinstance(wire.protocol.lost, ConnectionEnded)
    assert wire.protocol.lost.ending is ending


def test_nonsense_that_nobody_asked_for_ends_the_connection() -> None:
    wire = Wire()

    wire.say(b"what?\n")

    assert wire.transport.aborted
    with pytest.raises(MalformedReply):
        result_of(wire.ask(b"A"))


@pytest.mark.parametrize("endless", [b"x" * 20_000, b"OK lines=2\n" + b"x" * 20_000])
def test_a_line_without_an_end_is_not_waited_for(endless: bytes) -> None:
    wire = Wire()
    lines = wire.ask_lines(b"LIST")

    wire.say(endless)

    with pytest.raises(MalformedReply):
        result_of(lines)
    assert wire.transport.aborted


def test_more_lines_than_can_be_counted_are_waited_for_as_any_others() -> None:
    wire = Wire()
    lines = wire.ask_lines(b"LIST")

    wire.say(b"OK lines=9999999999999999999\none\ntwo\n")

    assert not lines.called
    wire.lose()
    with pytest.raises(ConnectionEnded):
        result_of(lines)


def test_a_list_without_an_end_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "MAX_LIST", 5000)
    wire = Wire()
    lines = wire.ask_lines(b"LIST")

    wire.say(b"OK lines=1000000\n" + b"one more line\n" * 1000)

    with pytest.raises(MalformedReply):
        result_of(lines)
    assert wire.transport.aborted


def test_cancelling_a_wait_ends_the_connection_for_all() -> None:
    """What comes next would be taken for somebody else's answer."""
    wire = Wire()
    first, second = wire.ask(b"A"), wire.ask(b"B")

    first.cancel()

    with pytest.raises(CancelledError):
        result_of(first)
    with pytest.raises(ConnectionEnded):
        result_of(second)
    assert wire.transport.aborted


def test_a_sink_that_fails_ends_the_connection_with_its_own_error() -> None:
    wire = Wire()

    async def fetch() -> None:
        async with wire.protocol.turn(b"DOWNLOAD f") as turn:
            await turn.payload(Sink(full), 100)

    def full(data: bytes | memoryview) -> None:
        raise OSError(28, "full")

    done = start(fetch())
    wire.say(b"x" * 10)

    with pytest.raises(OSError, match="full"):
        result_of(done)
    assert wire.transport.aborted


def test_nobody_writes_into_a_payload_that_is_on_its_way() -> None:
    wire = Wire()
    go_on: Deferred[None] = Deferred()

    async def upload() -> None:
        async with wire.protocol.exclusive_turn(b"UPLOAD f 3") as turn:
            await turn.reply()
            wire.transport.write(b"a")
            await go_on
            wire.transport.write(b"bc")
            turn.let_others_write()
            await turn.reply()

    done, other, third = start(upload()), wire.ask(b"STAT g"), wire.ask(b"STAT h")
    wire.say(b"OK offset=0 length=3\n")
    go_on.callback(None)

    assert wire.transport.value() == b"UPLOAD f 3\nabcSTAT g\nSTAT h\n"
    wire.say(b"OK stored=f\nOK size=1\nOK size=2\n")
    result_of(done)
    assert result_of(other).fields == {"size": "1"}
    assert result_of(third).fields == {"size": "2"}


def test_an_upload_that_is_refused_lets_the_next_one_write() -> None:
    wire = Wire()

    async def upload() -> None:
        async with wire.protocol.exclusive_turn(b"UPLOAD f 3") as turn:
            await turn.reply()

    done, other = start(upload()), wire.ask(b"STAT g")
    wire.say(b"ERR EXISTS\nOK size=1\n")

    assert done.called
    done.addErrback(lambda _: None)
    assert result_of(other).fields == {"size": "1"}


def test_who_reads_nothing_is_sent_no_more_commands() -> None:
    wire = Wire()
    wire.protocol.outflow.pauseProducing()
    answer = wire.ask(b"A")
    assert wire.transport.value() == b""

    wire.protocol.outflow.resumeProducing()

    assert wire.transport.value() == b"A\n"
    wire.say(b"OK\n")
    result_of(answer)


def test_a_paced_payload_is_not_read_faster() -> None:
    wire = Wire()
    done, came = wire.fetch(3000, Pace(wire.clock, 1000))
    wire.say(b"OK\n")

    seconds = 0
    while not done.called:
        if wire.transport.producerState == "producing":
            rest = 3000 - len(came)
            wire.say(b"x" * min(500, rest) if rest else b"OK sent=3000\n")
        wire.clock.advance(0.01)
        seconds += 1

    assert seconds / 100 == pytest.approx(3.0, abs=0.1)


def test_a_sink_without_room_stops_the_reading_until_it_has_room() -> None:
    wire = Wire()
    done, _ = wire.fetch(3)
    wire.say(b"OK\n")

    wire.protocol.hold(True)
    assert wire.transport.producerState == "paused"
    wire.protocol.hold(False)
    assert wire.transport.producerState == "producing"
    wire.say(b"abcOK\n")
    result_of(done)


def test_a_server_that_answers_nothing_has_stalled_after_the_stall_time() -> None:
    wire = Wire()
    answer = wire.ask(b"STAT f")

    wire.clock.pump([1.0] * 299)
    assert not answer.called
    wire.clock.pump([1.0] * 3)

    with pytest.raises(ConnectionEnded) as caught:
        result_of(answer)
    assert caught.value.ending is Ending.STALLED


def test_every_line_and_byte_gives_a_server_another_stall_time() -> None:
    wire = Wire()
    done, _ = wire.fetch(3)
    for said in (b"OK\n", b"a", b"b", b"c"):
        wire.clock.pump([1.0] * 200)
        wire.say(said)

    wire.say(b"OK\n")

    result_of(done)


def test_a_server_is_not_blamed_while_our_own_sink_has_no_room() -> None:
    wire = Wire()
    done, _ = wire.fetch(3)
    wire.say(b"OK\n")
    wire.protocol.hold(True)

    wire.clock.pump([1.0] * 1000)

    wire.protocol.hold(False)
    wire.say(b"abcOK\n")
    result_of(done)


def test_a_server_that_goes_on_when_there_is_room_again_is_watched_again() -> None:
    wire = Wire()
    done, _ = wire.fetch(3)
    wire.protocol.hold(True)
    wire.clock.pump([1.0] * 10)
    wire.protocol.hold(False)

    wire.clock.pump([1.0] * 310)

    with pytest.raises(ConnectionEnded):
        result_of(done)


def test_a_server_that_took_long_as_it_may_is_watched_over_what_was_asked_behind_it() -> None:
    wire = Wire()
    digest, status = start(Connection(wire.protocol).hash("f")), wire.ask(b"STAT f")
    wire.clock.pump([1.0] * 1000)
    assert not digest.called

    wire.say(b"OK sha256=00 size=1\n")
    wire.clock.pump([1.0] * 310)

    result_of(digest)
    with pytest.raises(ConnectionEnded) as caught:
        result_of(status)
    assert caught.value.ending is Ending.STALLED


def test_nothing_is_asked_of_an_idle_server() -> None:
    wire = Wire()

    wire.clock.pump([1.0] * 1000)

    result_of(start(answer_of(wire)))


async def answer_of(wire: Wire) -> object:
    answer = wire.ask(b"A")
    wire.say(b"OK\n")
    return await answer


def test_closing_in_order_waits_for_the_end() -> None:
    wire = Wire()

    closed = wire.protocol.close()

    assert wire.transport.disconnecting
    assert not closed.called
    wire.lose(ConnectionDone())
    result_of(closed)
    result_of(wire.protocol.close())
