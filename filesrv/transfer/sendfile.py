"""
The fast way out: the kernel copies from the file's pages to the socket (sendfile(2)).
"""

from __future__ import annotations

import errno
import os

from filesrv.transfer.direct import DirectSending
from filesrv.transfer.sending import FileShrank

__all__ = ["SendfileSending", "Unsupported"]

#: Bytes of one call.  On loopback that is a fraction of a millisecond, so that no other
#: connection waits long for its turn.
SENDFILE_SIZE = 4 * 1024 * 1024

#: What the kernel answers where it cannot serve this file or this socket.
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EOVERFLOW})


class Unsupported(Exception):
    """The kernel cannot copy this file to this socket."""


class SendfileSending(DirectSending):
    """From the file's pages to the socket, by the kernel."""

    def doWrite(self) -> None:
        run = self._run
        try:
            count = os.sendfile(
                self.fileno(),
                run.descriptor,
                run.offset + self.sent,
                self._next_size(SENDFILE_SIZE),
            )
        except BlockingIOError:
            return
        except OSError as error:
            unsupported = error.errno in _UNSUPPORTED
            self.end(Unsupported() if unsupported else error)
            return
        if count == 0:
            self.end(FileShrank())
            return
        self._moved_on(self._count(count))
