"""
Lines split off what was read, each in a time that grows with its own length.

Twisted's LineReceiver copies all that is behind a line for each line: of 64 KiB full of short
commands, that is most of what they cost.
"""

from __future__ import annotations

from typing import Any

from twisted.protocols.basic import LineReceiver

__all__ = ["READ_SIZE", "Lines"]

#: Bytes of one read while lines are read, and of replies that wait in the transport.
READ_SIZE = 64 * 1024


class Lines(LineReceiver):
    """A LineReceiver that remembers how far it is in its buffer, and can hand out of it."""

    transport: Any
    delimiter = b"\n"
    _position = 0

    @property
    def unread(self) -> bool:
        """Whether something was read that is not delivered yet."""
        return self._position < len(self._buffer)

    def clearLineBuffer(self) -> bytes:
        rest = self._buffer[self._position :]
        self._buffer, self._position = b"", 0
        return rest

    def take(self, length: int) -> bytes | None:
        """The next C{length} bytes, whatever they are, if all of them are here."""
        end = self._position + length
        if len(self._buffer) < end:
            return None
        taken = self._buffer[self._position : end]
        self._position = end
        return taken

    def dataReceived(self, data: bytes) -> None:
        self._buffer = self.clearLineBuffer() + data
        if self._busyReceiving:
            return
        self._busyReceiving = True
        try:
            self._deliver()
        finally:
            self._busyReceiving = False
            if not self.paused:  # What is left is less than a line, and not to keep a read.
                self._buffer = self.clearLineBuffer()

    def _deliver(self) -> None:
        while not self.paused:
            buffer, start = self._buffer, self._position
            if start == len(buffer):
                return
            if not self.line_mode:
                self.rawDataReceived(self.clearLineBuffer())
                continue
            end = buffer.find(b"\n", start)
            if (len(buffer) if end < 0 else end) - start > self.MAX_LENGTH:
                self.lineLengthExceeded(self.clearLineBuffer())
                return
            if end < 0:
                return
            self._position = end + 1
            self.lineReceived(buffer[start:end])
            if self.transport.disconnecting:
                return
