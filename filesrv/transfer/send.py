"""
Putting a run of a file's bytes on a connection.

Two ways with one interface: L{SendfileSending} lets the kernel copy from the file's
pages to the socket, L{ChunkSending} reads and writes where the kernel cannot (TLS,
transports in memory, a file system without sendfile).  L{Outflow} picks one, and holds
back new replies while earlier ones wait to be read.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import (
    IDelayedCall,
    IPullProducer,
    IPushProducer,
    IWriteDescriptor,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from filesrv.transfer.pace import Pace
from filesrv.transfer.sockets import pending_error, socket_of, unsent

__all__ = ["ChunkSending", "FileShrank", "Outflow", "Run", "SendfileSending", "Sending"]

#: Bytes of one sendfile call.  On loopback that is a fraction of a millisecond, so that
#: no other connection waits long for its turn.
SENDFILE_SIZE = 1024 * 1024

#: Bytes of one read where the bytes pass through this process.
CHUNK_SIZE = 128 * 1024

#: What sendfile answers where it cannot serve this file or this socket (sendfile(2)).
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EOVERFLOW})


class FileShrank(Exception):
    """The file ended before the bytes that were promised of it."""


class _Unsupported(Exception):
    """The kernel cannot copy this file to this socket."""


@dataclass(frozen=True)
class Run:
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
    @ivar done: fires when all of them have; fails with L{FileShrank}, L{OSError} or
        L{ConnectionLost}.  Cancelling it stops the sending at the next byte.
    """

    def __init__(
        self,
        transport: Any,
        reactor: Any,
        run: Run,
        pace: Pace | None = None,
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

    def start(self) -> None:
        self._pump()

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        if self._waiting is None:
            self._pump()

    def _pump(self) -> None:
        self._waiting = None
        if self.done.called:
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
            self.end(_Unsupported() if unsupported else error)
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


@implementer(IPushProducer, IPullProducer)
class Outflow:
    """
    All that goes out on one connection, as the transport's only producer.

    While replies wait to be read, C{full} has been called and C{drained} not yet: the
    owner takes no more commands meanwhile, so that a client that sends and never reads
    costs one transport buffer (64 KiB) and one reply.

    @ivar ready: whether the transport takes more without growing its buffer.
    """

    def __init__(
        self,
        transport: Any,
        reactor: Any,
        full: Callable[[], None],
        drained: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        """
        @param lost: called when the connection has ended and its socket can still be
            asked about that.
        """
        self._transport = transport
        self._reactor = reactor
        self._full, self._drained, self._lost = full, drained, lost
        self._sending: Sending | None = None
        self._sent = self._delivered = 0
        self._waiting: list[Deferred[None]] = []
        self._open = self.ready = True
        transport.registerProducer(self, True)

    @property
    def delivered(self) -> int:
        """
        How many bytes of the latest run the peer's machine has acknowledged, and after
        the end of the connection, had.  Without a socket to ask, those handed on.
        """
        if self._open:
            self._measure()
        return self._delivered

    @property
    def waiting(self) -> int:
        """Bytes in the kernel that the peer's machine has not acknowledged."""
        sock = socket_of(self._transport)
        return 0 if sock is None else unsent(sock)

    async def send(
        self, run: Run, pace: Pace | None = None, moved: Callable[[int], None] | None = None
    ) -> None:
        """
        Send a run behind what was written before.

        @param moved: told of each count of bytes as they go.
        @raise FileShrank: the file ended early.
        @raise OSError: reading, or the connection, failed.
        @raise ConnectionLost: the connection ended.
        """
        self._sent = 0
        if run.length == 0:
            return
        if socket_of(self._transport) is None:
            await self._send_chunks(run, pace, moved)
            return
        try:
            await self._send_by_kernel(run, pace, moved)
        except _Unsupported:
            await self._send_chunks(run, pace, moved)

    async def _send_chunks(
        self, run: Run, pace: Pace | None, moved: Callable[[int], None] | None
    ) -> None:
        await self._run(ChunkSending(self._transport, self._reactor, run, pace, moved))

    async def _send_by_kernel(
        self, run: Run, pace: Pace | None, moved: Callable[[int], None] | None
    ) -> None:
        sending = SendfileSending(self._transport, self._reactor, run, pace, moved)
        self._sending = sending
        # A pull producer is asked for more exactly when the transport's buffer is empty.
        self._register(streaming=False)
        try:
            await self._run(sending)
        finally:
            self._register(streaming=True)
            self._be_ready()

    async def _run(self, sending: Sending) -> None:
        self._sending = sending
        try:
            if not self._open:
                raise ConnectionLost
            sending.start()
            await sending.done
        finally:
            self._sent += sending.sent
            self._sending = None

    def _register(self, streaming: bool) -> None:
        if self._open:
            self._transport.unregisterProducer()
            self._transport.registerProducer(self, streaming)

    async def drained(self) -> None:
        """
        Wait until what was written has left this process.

        @raise ConnectionLost: it will not.
        """
        if not self._open:
            raise ConnectionLost
        if not self.ready:
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            await waiting

    def close(self) -> None:
        """Let go of the transport: it can only close when it has no producer."""
        if self._open:
            self._measure()
            self._open = False
            self._transport.unregisterProducer()
        self._end()

    def pauseProducing(self) -> None:
        if self._sending is None:
            self.ready = False
            self._full()
        else:
            self._sending.pause()

    def resumeProducing(self) -> None:
        if self._sending is None:
            self._be_ready()
        else:
            self._sending.resume()

    def stopProducing(self) -> None:
        if self._open:
            self._measure()
            self._open = False
            self._lost()
        self._end()

    def _measure(self) -> None:
        sent = self._sent + (0 if self._sending is None else self._sending.sent)
        self._delivered = max(0, sent - self.waiting)

    def _be_ready(self) -> None:
        self.ready = True
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)
        self._drained()

    def _end(self) -> None:
        if self._sending is not None:
            self._sending.end(ConnectionLost())
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.errback(ConnectionLost())
