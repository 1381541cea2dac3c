"""
The fast way out: the kernel copies from the file's pages to the socket (sendfile(2)).
"""

from __future__ import annotations

import errno
import os
import socket

from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IWriteDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from filesrv.transfer.sending import FileShrank, Sending
from filesrv.transfer.sockets import pending_error, socket_of

__all__ = ["SendfileSending", "Unsupported"]

#: Bytes of one call.  On loopback that is a fraction of a millisecond, so that no other
#: connection waits long for its turn.
SENDFILE_SIZE = 1024 * 1024

#: What the kernel answers where it cannot serve this file or this socket.
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EOVERFLOW})


class Unsupported(Exception):
    """The kernel cannot copy this file to this socket."""


@implementer(IWriteDescriptor)
class SendfileSending(Sending):
    """
    From the file's pages to the socket, by the kernel, when the reactor says that the
    socket has room.

    It watches a duplicate of the connection's descriptor, because the reactor knows
    the original as the transport's.
    """

    _socket: socket.socket | None = None
    _registering = True

    def start(self) -> None:
        # Nothing of ours may overtake replies that still wait in the transport, so it
        # is asked to say when it is empty.
        self._registering = False
        self._transport.startWriting()

    def resume(self) -> None:
        if self._registering or self._socket is not None or self.done.called:
            return
        found = socket_of(self._transport)
        if found is None:
            return self.end(ConnectionLost())
        try:
            self._socket = found.dup()
        except OSError as error:
            return self.end(error)
        self._reactor.addWriter(self)
        return None

    def end(self, error: BaseException | None = None) -> None:
        if self._socket is not None and self._socket.fileno() >= 0:
            self._reactor.removeWriter(self)
            self._socket.close()
        super().end(error)

    def fileno(self) -> int:
        return -1 if self._socket is None else self._socket.fileno()

    def logPrefix(self) -> str:
        return "filesrv"

    def connectionLost(self, reason: Failure) -> None:
        error = None if self._socket is None else pending_error(self._socket)
        self.end(error or reason.value)
        # The transport hears of it by itself only while it reads or writes, which it does
        # not when the peer had closed its half.
        self._transport.abortConnection()

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
        wait = self._count(count)
        if self.sent == run.length:
            self.end()
        elif wait:
            self._reactor.removeWriter(self)
            self._waiting = self._reactor.callLater(wait, self._reactor.addWriter, self)
