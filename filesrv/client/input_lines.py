"""
Lines of bytes from a person, a pipe or a file, read only while one is waited for.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["InputLines", "TooLong"]

#: Bytes of one read: what a pipe holds by default (pipe(7)).
_CHUNK = 64 * 1024


class TooLong(Exception):
    """A line was longer than it may be; none of it is kept, and the next one can be read."""


@implementer(IReadDescriptor)
class InputLines:
    """As they come, in bounded memory."""

    def __init__(self, reactor: Any, descriptor: int, longest: int) -> None:
        """
        @param descriptor: it stays the caller's.
        @param longest: bytes of a line, without its end.
        """
        self._reactor = reactor
        self._descriptor = descriptor
        self._longest = longest
        self._buffer = bytearray()
        self._searched = 0
        self._skipping = self._ended = False
        self._wanted: Deferred[None] | None = None

    async def next(self) -> bytes | None:
        """
        The next line, without its LF or CRLF; L{None} when there are no more.

        @raise TooLong: the next line is.
        """
        while (line := self._line()) is None and not self._ended:
            self._wanted = Deferred(lambda _: self._pause())
            self._reactor.addReader(self)
            await self._wanted
        if line is None:
            if not self._buffer and not self._skipping:
                return None
            line = bytes(self._buffer)
            self._buffer.clear()
        line = line.removesuffix(b"\r")
        if self._skipping or len(line) > self._longest:
            self._skipping = False
            raise TooLong
        return line

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._buffer)
            if self._searched > self._longest + 1:  # a CR belongs to the end
                self._skipping = True
                self._searched = 0
                self._buffer.clear()
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return line

    def fileno(self) -> int:
        return self._descriptor

    def logPrefix(self) -> str:
        return "filesrv"

    def doRead(self) -> None:
        try:
            data = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return
        except OSError:  # the terminal is gone
            data = b""
        self._buffer += data
        self._ended = not data
        self._got()

    def connectionLost(self, reason: Failure) -> None:
        # Also how the reactor says that the other end is closed and all was read.
        self._ended = True
        self._got()

    def _got(self) -> None:
        self._pause()
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            wanted.callback(None)

    def _pause(self) -> None:
        self._reactor.removeReader(self)
