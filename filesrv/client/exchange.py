"""
What is said of one small file, to and fro, as one turn of the conversation.

Thousands of them follow one another.  So an exchange takes lines and bytes right off what
was read, however many there are, and whoever waits for it is woken once, at its end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred

from filesrv.client import answers
from filesrv.client.answers import FetchHead
from filesrv.client.turns import MAX_LINE, TOO_LONG
from filesrv.transfer.receive import Sink
from filesrv.wire.errors import FilesrvError
from filesrv.wire.replies import MalformedReply, parse_reply

__all__ = ["Exchange", "SmallDownload", "SmallUpload"]


class Stream(Protocol):
    """
    What an exchange is a part of.

    @ivar last_words: the refusal after which the server closes, once it was said.
    """

    last_words: FilesrvError | None

    def exchange_over(self, exchange: Exchange) -> None:
        """The first exchange is over: what comes next belongs to another turn."""

    def abort(self) -> None:
        """End the connection: what comes next belongs to nobody."""


class Exchange:
    """
    The answers to what was said of one file.

    @ivar done: fires when all of them are there.  It fails with the refusal, with
        L{MalformedReply}, or with why the connection ended.  Cancelling it ends that.
    @ivar brings: whether a payload comes in.
    @ivar may_take_long: whether the server may be silent for as long as it likes.
    """

    brings = False

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._next: Callable[[bytes], None] = self._head
        self._over = False
        self._refusal: FilesrvError | None = None
        self.may_take_long = False
        self.done: Deferred[None] = Deferred(self._cancelled)

    def take(self, data: bytes, position: int) -> int:
        """
        Take what belongs to it from C{position} on.

        @return: where that ends; C{position} when there is not enough of it yet.
        """
        try:
            before = -1
            while not self._over and position != before:
                before, position = position, self._take_next(data, position)
        except Exception as error:
            self._broken(error)
        return position

    def _take_next(self, data: bytes, position: int) -> int:
        """Take a line, if there is a whole one; where it ends."""
        end = data.find(b"\n", position)
        if (len(data) if end < 0 else end) - position > MAX_LINE:
            raise MalformedReply(TOO_LONG)
        if end < 0:
            return position
        self._next(data[position:end].removesuffix(b"\r"))
        return end + 1

    def fail(self, reason: BaseException) -> None:
        """No more will come.  What was refused before is told rather than that."""
        if not self._over:
            self._over = True
            self.done.errback(self._refusal or reason)

    def _head(self, line: bytes) -> None:
        raise NotImplementedError

    def _refused(self, line: bytes) -> FilesrvError | None:
        """
        The refusal, if that is what a line is.

        @raise MalformedReply: it is no reply.
        """
        if line.startswith(b"OK "):  # As nearly all do; its fields are not asked for.
            return None
        error = parse_reply(line).error
        if error is not None and error.closes:
            self._stream.last_words = error
        return error

    def _end(self) -> None:
        self._over = True
        self._stream.exchange_over(self)
        if self._refusal is None:
            self.done.callback(None)
        else:
            self.done.errback(self._refusal)

    def _broken(self, error: Exception) -> None:
        self._over = True
        self._stream.abort()
        self.done.errback(error)

    def _cancelled(self, done: Deferred[None]) -> None:
        self._over = True
        self._stream.abort()


class SmallUpload(Exchange):
    """An upload whose bytes, and perhaps COMMIT, went out right behind it."""

    def __init__(self, stream: Stream, size: int, commits: bool) -> None:
        super().__init__(stream)
        self._size = size
        self._commits = commits

    def _head(self, line: bytes) -> None:
        self._refusal = self._refused(line)
        if self._refusal is not None:
            self._arrived()
            return
        if line != b"OK offset=0 length=%d" % self._size:
            answers.read_upload_head(parse_reply(line), self._size)
        self._next = self._received

    def _received(self, line: bytes) -> None:
        self._refusal = self._refused(line)
        self._arrived()

    def _arrived(self) -> None:
        if self._commits:
            self._next, self.may_take_long = self._committed, True
        else:
            self._end()

    def _committed(self, line: bytes) -> None:
        # Why it is not stored, the first refusal says.
        self._refusal = self._refusal or self._refused(line)
        self._end()


class SmallDownload(Exchange):
    """A download from its first byte on, as fast as it comes."""

    brings = True

    def __init__(
        self,
        stream: Stream,
        begin: Callable[[FetchHead], Sink],
        moved: Callable[[int], None],
    ) -> None:
        """
        @param begin: told what comes; what it returns takes the bytes.
        @param moved: told first of 0, then of each advance.
        """
        super().__init__(stream)
        self._begin = begin
        self._moved = moved
        self._sink: Sink | None = None
        self._length = self._owed = 0

    def _take_next(self, data: bytes, position: int) -> int:
        return (
            self._take_payload(data, position) if self._owed else super()._take_next(data, position)
        )

    def _head(self, line: bytes) -> None:
        self._refusal = self._refused(line)
        if self._refusal is not None:
            self._end()
            return
        head = answers.read_fetch_head(parse_reply(line), 0)
        self._sink = self._begin(head)
        self._moved(0)
        self._length = self._owed = head.length
        self._next = self._sent

    def _take_payload(self, data: bytes, position: int) -> int:
        assert self._sink is not None
        piece = data[position : position + self._owed]
        self._owed -= len(piece)
        self._sink.write(piece)
        if piece:
            self._moved(self._length - self._owed)
        return position + len(piece)

    def _sent(self, line: bytes) -> None:
        self._refusal = self._refused(line)
        if self._refusal is None and not line.startswith(b"OK sent=%d " % self._length):
            answers.check_sent(parse_reply(line), self._length)
        self._end()
