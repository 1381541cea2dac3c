"""
What comes in on a connection of the client, taken off read by read.

C{LineReceiver} cuts each line off the front of what it has, and so copies all that is
behind it each time.  A read may hold the answers of a hundred small files; this one walks
through it instead.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from twisted.protocols.basic import LineReceiver

from filesrv.client.exchange import Exchange
from filesrv.client.turns import Turn

__all__ = ["Incoming"]


class Incoming(LineReceiver):
    """A C{LineReceiver} that hands what belongs to an L{Exchange} to that as it comes."""

    delimiter = b"\n"

    transport: Any

    def __init__(self) -> None:
        self._turns: deque[Turn | Exchange] = deque()
        self._heard = 0
        self._unread = b""
        self._position = 0
        self._walking = False

    def _turn(self) -> Turn | None:
        """The first turn, if it takes what comes through lines and runs."""
        head = self._turns[0] if self._turns else None
        return head if isinstance(head, Turn) else None

    def clearLineBuffer(self) -> bytes:
        unread, self._unread = self._unread[self._position :], b""
        self._position = 0
        return unread

    def dataReceived(self, data: bytes) -> None:
        if self._walking:
            self._unread += data
            return
        self._unread = self.clearLineBuffer() + data
        self._walking = True
        try:
            while self._position < len(self._unread) and not self.paused and self._step():
                pass
        finally:
            self._walking = False
            if self._position == len(self._unread):
                self.clearLineBuffer()

    def _step(self) -> bool:
        """Hand on what comes next; whether there was enough of it."""
        head = self._turns[0] if self._turns else None
        if isinstance(head, Exchange):
            before = self._position
            self._position = head.take(self._unread, before)
            self._heard += self._position - before
            return self._position > before
        if self.line_mode:
            return self._step_line()
        self.rawDataReceived(self.clearLineBuffer())
        return True

    def _step_line(self) -> bool:
        begin, end = self._position, self._unread.find(self.delimiter, self._position)
        size = (len(self._unread) if end < 0 else end) - begin
        if size > self.MAX_LENGTH:
            self.lineLengthExceeded(self.clearLineBuffer())
        elif end >= 0:
            self._position = end + 1
            self.lineReceived(self._unread[begin:end])
        return end >= 0
