"""
The server's answers, one command's share at a time: lines, counted lines, a payload.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred, DeferredLock

from filesrv.transfer.pace import Pace
from filesrv.transfer.receive import Receiving, Sink
from filesrv.wire.errors import FilesrvError
from filesrv.wire.replies import MalformedReply, Reply, parse_reply

__all__ = ["MAX_LINE", "TOO_LONG", "CountedLines", "Stream", "Turn", "WriteRight"]

#: Bytes: longer than any line of the contract, an echo of 4096 or a name in quotes.
MAX_LINE = 16384

#: Bytes of one list: the names of some million files.  Who sends more wants to fill the
#: memory.
MAX_LIST = 512 * 1024 * 1024

#: What is said of a peer that sends longer ones.
TOO_LONG = "the peer's lines are longer than those of filesrv"


class Stream(Protocol):
    """
    What a turn reads from.

    @ivar last_words: the refusal after which the server closes, once it was said.
    """

    last_words: FilesrvError | None

    def turn_waits(self, turn: Turn) -> None:
        """Somebody awaits what comes next in C{turn}."""


class CountedLines:
    """Takes exactly so many lines off the stream, many at a time."""

    def __init__(self, count: int) -> None:
        self.remaining = count
        self.refused: Exception | None = None
        self.done: Deferred[list[bytes]] = Deferred()
        self._lines: list[bytes] = []
        self._begun = b""
        self._taken = 0

    def feed(self, data: bytes) -> bytes:
        """Take what belongs to the lines and return what is behind them."""
        self._taken += len(data)
        data = self._begun + data
        # A count may be larger than any that split() takes.
        *lines, rest = data.split(b"\n", min(self.remaining, len(data)))
        self._lines += [line.removesuffix(b"\r") for line in lines]
        self.remaining -= len(lines)
        self._begun = rest if self.remaining else b""
        if len(self._begun) > MAX_LINE:
            self.refused = MalformedReply(TOO_LONG)
        elif self._taken > MAX_LIST:
            self.refused = MalformedReply("the peer's list is longer than any of filesrv")
        return b"" if self.remaining else rest

    def finish(self) -> None:
        self.done.callback(self._lines)

    def fail(self, reason: BaseException) -> None:
        self.done.errback(reason)


class WriteRight:
    """The lock on writing, given back once, however often."""

    def __init__(self, lock: DeferredLock) -> None:
        self._lock: DeferredLock | None = lock

    def release(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()


class Turn:
    """
    What the server answers to one command.  Its methods are awaited one after the other.

    @ivar midway: whether bytes of a payload are owed in either direction, so that an
        error now leaves the connection in the middle of it.
    @ivar may_take_long: whether the server may be silent over it for as long as it likes.
    @ivar let_others_write: called when no more bytes of this command are to come.
    """

    let_others_write: Callable[[], None]

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.midway = self.may_take_long = False
        self.line_wanted: Deferred[bytes] | None = None
        self.raw_wanted: Receiving | CountedLines | None = None
        self.pace: Pace | None = None

    @property
    def waits(self) -> bool:
        """Whether somebody awaits what comes next."""
        return self.line_wanted is not None or self.raw_wanted is not None

    def line(self) -> Deferred[bytes]:
        """
        The next line as it is.

        @raise ConnectionEnded: it ended first.
        """
        wanted = self.line_wanted = Deferred()
        self._stream.turn_waits(self)
        return wanted

    async def reply(self) -> Reply:
        """
        The next line as a reply.

        @raise FilesrvError: the refusal, if it is one.
        @raise ConnectionEnded: it ended first.
        @raise MalformedReply: the line is none.
        """
        line = await self.line()
        reply = parse_reply(line)
        error = reply.error
        if error is None:
            return reply
        if error.closes:
            self._stream.last_words = error
        raise error

    async def counted(self) -> list[bytes]:
        """The lines that follow ``OK lines=N``; errors as of L{reply}."""
        count = (await self.reply()).count("lines")
        if not count:
            return []
        wanted = self.raw_wanted = CountedLines(count)
        self.midway = True
        self._stream.turn_waits(self)
        lines = await wanted.done
        self.midway = False
        return lines

    async def payload(self, sink: Sink, length: int, pace: Pace | None = None) -> None:
        """
        Put C{length} raw bytes into C{sink}.

        @raise ConnectionEnded: it ended first; the sink has what came.
        """
        if not length:
            return
        self.midway = True
        wanted = self.raw_wanted = Receiving(sink, length)
        self.pace = pace
        self._stream.turn_waits(self)
        await wanted.done
        self.midway = False

    def fail(self, reason: BaseException) -> None:
        """Tell whoever waits that no more will come."""
        line, self.line_wanted = self.line_wanted, None
        raw, self.raw_wanted = self.raw_wanted, None
        if line is not None:
            line.errback(reason)
        if raw is not None:
            raw.fail(reason)
