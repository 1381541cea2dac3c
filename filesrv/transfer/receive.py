"""
Taking a counted run of bytes off a connection.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred

__all__ = ["READ_SIZE", "Receiving", "Sink"]

#: Bytes of one read while a payload comes in.  Twisted's 64 KiB costs a turn of the
#: reactor each, two to four times the time; beyond 1 MiB nothing more is gained.
READ_SIZE = 512 * 1024


class Sink(Protocol):
    """What takes the bytes."""

    def write(self, data: bytes | memoryview) -> None:
        """Take all of C{data}, or raise."""


class Receiving:
    """
    One payload on its way in.

    @ivar remaining: bytes still to come.
    @ivar done: fires when all have come and the sink took them, fails when the sink
        does or L{fail} is called.
    """

    def __init__(self, sink: Sink, length: int) -> None:
        self._sink = sink
        self.remaining = length
        self.done: Deferred[None] = Deferred()

    def feed(self, data: bytes) -> bytes:
        """
        Take what belongs to the payload and return what is behind it.

        L{done} may fire, or fail, before this returns: a caller whose own state depends
        on the end looks at L{remaining} first.
        """
        surplus = b""
        if len(data) > self.remaining:
            data, surplus = data[: self.remaining], data[self.remaining :]
        self.remaining -= len(data)
        self._sink.write(data)
        return surplus

    def finish(self) -> None:
        """Tell whoever waits that all is here."""
        if not self.done.called:
            self.done.callback(None)

    def fail(self, reason: BaseException) -> None:
        """Tell whoever waits that no more will come."""
        if not self.done.called:
            self.done.errback(reason)
