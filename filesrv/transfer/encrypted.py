"""
The fast way out under TLS, twin of L{filesrv.transfer.sendfile}: from the file to the socket
through buffers that stay in the processor's cache.
"""

from __future__ import annotations

import os
import ssl
from typing import Any

from twisted.internet.error import ConnectionLost

from filesrv.transfer.direct import DirectSending
from filesrv.transfer.sending import FileShrank
from filesrv.transfer.tls import TLSLayer

__all__ = ["EncryptedSending"]

#: Bytes that are read and encrypted at a time.  Fewer cost more calls than the processor's
#: cache gives back.
PIECE = 256 * 1024

#: How many pieces a turn of the reactor moves, in half a millisecond.
PIECES = 2

#: Where they are in between.  One place serves all, because nothing of it is kept from one
#: call to the next.
_PLAIN = memoryview(bytearray(PIECE))


class EncryptedSending(DirectSending):
    """Read a piece, encrypt it, give it to the socket."""

    _rest = memoryview(b"")
    _wait = 0.0
    _left = 0

    def __init__(self, layer: TLSLayer, *arguments: Any) -> None:
        """
        @param layer: on the transport; until the end, nothing goes out past this.
        """
        super().__init__(*arguments)
        self._layer = layer

    @property
    def left(self) -> int:
        return self._left

    def resume(self) -> None:
        super().resume()
        if self._socket is not None and not self.done.called:
            self._layer.hold_back()

    def end(self, error: BaseException | None = None) -> None:
        rest, self._rest = self._rest, memoryview(b"")
        self._layer.let_go(rest)
        super().end(error)

    def doWrite(self) -> None:
        assert self._socket is not None
        try:
            for _ in range(PIECES):
                if not self._rest and not self._encrypt():
                    return self.end(FileShrank())
                self._rest = self._rest[self._socket.send(self._rest) :]
                if self._rest:
                    return None
                self._left = self.sent
                if self._wait or self.sent == self._run.length:
                    break
        except BlockingIOError:
            return None
        except ssl.SSLError:
            return self.end(ConnectionLost())
        except OSError as error:
            return self.end(error)
        self._moved_on(self._wait)
        return None

    def _encrypt(self) -> int:
        """Take the next piece of the file; how many bytes it has."""
        piece = _PLAIN[: self._next_size(PIECE)]
        run = self._run
        count = os.preadv(run.descriptor, [piece], run.offset + self.sent)
        if count:
            self._rest = memoryview(self._layer.encrypted(piece[:count]))
            self._wait = self._count(count)
        return count
