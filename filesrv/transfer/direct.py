"""
Writing on a connection's descriptor, past the transport's buffer, when the reactor says that
there is room.
"""

from __future__ import annotations

import socket

from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IWriteDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from filesrv.transfer.sending import Sending
from filesrv.transfer.sockets import pending_error, socket_under

__all__ = ["DirectSending"]


@implementer(IWriteDescriptor)
class DirectSending(Sending):
    """
    A run that goes to the socket itself.

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
        found = socket_under(self._transport)
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
        """Give the socket what it has room for; called by the reactor."""
        raise NotImplementedError

    def _moved_on(self, wait: float) -> None:
        """End when nothing is left, or go on in C{wait} seconds."""
        if self.sent == self._run.length:
            self.end()
        elif wait:
            self._reactor.removeWriter(self)
            self._waiting = self._reactor.callLater(wait, self._reactor.addWriter, self)
