"""
A run of a file's bytes on its way out, and the way through this process: read a chunk,
write it to the transport.  Its twin that leaves the copying to the kernel is
L{filesrv.transfer.sendfile}.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall

from filesrv.transfer.pace import Bound

__all__ = ["ChunkSending", "FileShrank", "Run", "Sending"]

#: Bytes of one read.
CHUNK_SIZE = 256 * 1024


class FileShrank(Exception):
    """The file ended before the bytes that were promised of it."""


class Run(NamedTuple):
    """
    Consecutive bytes of an open file.

    @ivar descriptor: of the file; it stays the caller's, who closes it after the end.
    """

    descriptor: int
    offset: int
    length: int


class Sending:
    """
    One run on its way out.

    @ivar sent: bytes that have left this process, or wait in the transport.
    @ivar left: those of them that have certainly left it.
    @ivar done: fires when all of them have; fails with L{FileShrank}, L{OSError} or
        L{ConnectionLost}.  Cancelling it stops the sending at the next byte.
    """

    def __init__(
        self,
        transport: Any,
        reactor: Any,
        run: Run,
        pace: Bound | None = None,
        moved: Callable[[int], None] | None = None,
    ) -> None:
        self._transport = transport
        self._reactor = reactor
        self._run = run
        self._pace = pace
        self._moved = moved
        self._waiting: IDelayedCall | None = None
        self.sent = 0
        self.done: Deferred[None] = Deferred(lambda _: self.end(CancelledError()))

    @property
    def left(self) -> int:
        return self.sent

    def start(self) -> None:
        """Begin; called once, with the transport's producer registered."""
        raise NotImplementedError

    def pause(self) -> None:
        """The transport's buffer is full."""

    def resume(self) -> None:
        """The transport's buffer is empty."""

    def end(self, error: BaseException | None = None) -> None:
        """Stop, let go of everything, and fire L{done}.  A second call does nothing."""
        if self._waiting is not None and self._waiting.active():
            self._waiting.cancel()
        if not self.done.called:
            if error is None:
                self.done.callback(None)
            else:
                self.done.errback(error)

    def _next_size(self, largest: int) -> int:
        size = min(largest, self._run.length - self.sent)
        return size if self._pace is None else min(size, self._pace.chunk)

    def _count(self, count: int) -> float:
        """Account for bytes that moved; seconds to wait before more may."""
        self.sent += count
        if self._moved is not None:
            self._moved(count)
        return 0.0 if self._pace is None else self._pace.take(count)


class ChunkSending(Sending):
    """Through this process: read a chunk, write it to the transport, next turn again."""

    _paused = False
    _left = 0

    @property
    def left(self) -> int:
        return self._left

    def start(self) -> None:
        self._pump()

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._left = self.sent  # the transport says so when its buffer is empty
        if self._waiting is None:
            self._pump()

    def _pump(self) -> None:
        self._waiting = None
        if self.done.called or self._paused:
            return
        if self.sent == self._run.length:
            return self.end()
        run = self._run
        try:
            data = os.pread(run.descriptor, self._next_size(CHUNK_SIZE), run.offset + self.sent)
        except OSError as error:
            return self.end(error)
        if not data:
            return self.end(FileShrank())
        self._transport.write(data)
        wait = self._count(len(data))
        if wait or not self._paused:
            self._waiting = self._reactor.callLater(wait, self._pump)
        return None
