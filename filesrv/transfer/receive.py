"""
Taking a counted run of bytes off a connection.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred

__all__ = ["FRESH_READ_SIZE", "READ_SIZE", "Receiving", "Sink"]

#: Bytes of one read while a payload comes in.  Twisted's 64 KiB costs a turn of the
#: reactor each, two to four times the time.  Reading 4 MiB, the allocator would give the
#: memory back to the system each time and have it filled with zeros again.
READ_SIZE = 2 * 1024 * 1024

#: The same in a process that has just started, such as the command: of a larger piece its
#: allocator gives a part back each time, and a download took half as long again.
FRESH_READ_SIZE = 512 * 1024


class Sink(Protocol):
    """What takes the bytes."""

    def write(self, data: bytes | memoryview) -> None:
        """Take all of C{data}, or raise."""


class Receiving:
    """
    One payload on its way in.

    @ivar remaining: bytes still to come.
    @ivar refused: why the sink takes no more, if it does not.
    @ivar done: fires when L{finish} is called, fails when L{fail} is.
    """

    def __init__(self, sink: Sink, length: int) -> None:
        self._sink = sink
        self.remaining = length
        self.refused: Exception | None = None
        self.done: Deferred[None] = Deferred()

    def feed(self, data: bytes) -> bytes:
        """
        Take what belongs to the payload and return what is behind it.  Once the sink
        has refused, the rest of the payload is only counted.
        """
        surplus = b""
        if len(data) > self.remaining:
            data, surplus = data[: self.remaining], bytes(data[self.remaining :])
        self.remaining -= len(data)
        if self.refused is None:
            try:
                self._sink.write(data)
            except Exception as error:
                self.refused = error
        return surplus

    def finish(self) -> None:
        """The payload is over: tell whoever waits what became of it."""
        if self.refused is None:
            self.done.callback(None)
        else:
            self.done.errback(self.refused)

    def fail(self, reason: BaseException) -> None:
        """Tell whoever waits that no more will come."""
        self.done.errback(reason)
