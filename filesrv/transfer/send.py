"""
All that goes out on a connection: replies, and runs of files by the fastest way that the
connection and the file allow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IPullProducer, IPushProducer
from zope.interface import implementer

from filesrv.transfer.direct import DirectSending
from filesrv.transfer.pace import Bound
from filesrv.transfer.sendfile import SendfileSending, Unsupported
from filesrv.transfer.sending import ChunkSending, FileShrank, Run, Sending
from filesrv.transfer.sockets import is_tls, socket_of, socket_under, unsent

__all__ = ["ChunkSending", "FileShrank", "Outflow", "Run", "SendfileSending", "Sending"]

#: Bytes of replies that are gathered before they go to the transport all the same.
GATHERED = 4 * 1024


@implementer(IPushProducer, IPullProducer)
class Outflow:
    """
    All that goes out on one connection, as the transport's only producer.

    While replies wait to be read, C{full} has been called and C{drained} not yet: the
    owner takes no more commands meanwhile, so that a client that sends and never reads
    costs one transport buffer (64 KiB) and one reply.

    @ivar ready: whether the transport takes more without growing its buffer.
    @ivar gathering: whether replies wait for L{flush}, because more of them will follow
        at once: each write to the transport costs as much as a small command.
    """

    gathering = False

    def __init__(
        self,
        transport: Any,
        reactor: Any,
        full: Callable[[], None],
        drained: Callable[[], None],
        lost: Callable[[], None],
        written: Callable[[], None] = lambda: None,
    ) -> None:
        """
        @param written: called when replies have gone to the transport.
        @param lost: called when the connection has ended and its socket can still be
            asked about that.
        """
        self._transport = transport
        self._reactor = reactor
        self._full, self._drained = full, drained
        self._lost, self._written = lost, written
        self._sending: Sending | None = None
        self._sent = self._delivered = 0
        self._waiting: list[Deferred[None]] = []
        self._gathered: list[bytes] = []
        self._gathered_size = 0
        self._open = self.ready = True
        transport.registerProducer(self, True)

    def over(self, transport: Any) -> None:
        """From here on what goes out goes through a layer on the transport."""
        self._transport = transport

    def write(self, data: bytes) -> None:
        """Send a reply."""
        self._gathered.append(data)
        self._gathered_size += len(data)
        if not self.gathering or self._gathered_size >= GATHERED:
            self._hand_on()

    def flush(self) -> None:
        """Gather no more, and send what was gathered."""
        self.gathering = False
        if self._gathered:
            self._hand_on()

    def _hand_on(self) -> None:
        gathered, self._gathered, self._gathered_size = self._gathered, [], 0
        self._transport.write(b"".join(gathered))
        self._written()

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
        """
        Bytes in the kernel that the peer's machine has not acknowledged; under TLS they are
        a few more than were written.
        """
        sock = socket_under(self._transport)
        return 0 if sock is None else unsent(sock)

    def begin_run(self) -> None:
        """Nothing of the next run is delivered yet, though it may have to wait."""
        self.flush()
        self._sent = 0

    async def send(
        self, run: Run, pace: Bound | None = None, moved: Callable[[int], None] | None = None
    ) -> None:
        """
        Send a run behind what was written before.

        @param moved: told of each count of bytes as they go.
        @raise FileShrank: the file ended early.
        @raise OSError: reading, or the connection, failed.
        @raise ConnectionLost: the connection ended.
        """
        self.begin_run()
        if run.length == 0:
            return
        how = (self._transport, self._reactor, run, pace, moved)
        if is_tls(self._transport):
            await self._send_encrypted(*how)
        elif socket_of(self._transport) is not None:
            await self._send_by_kernel(*how)
        else:
            await self._run(ChunkSending(*how))

    async def _send_encrypted(self, transport: Any, *how: Any) -> None:
        from filesrv.transfer.encrypted import EncryptedSending  # and with it Python's TLS
        from filesrv.transfer.tls import tls_layer

        layer = tls_layer(transport)
        if layer is not None and socket_under(layer) is not None:
            await self._send_directly(EncryptedSending(layer, transport, *how))
        else:
            await self._run(ChunkSending(transport, *how))

    async def _send_by_kernel(self, transport: Any, reactor: Any, run: Run, *more: Any) -> None:
        try:
            await self._send_directly(SendfileSending(transport, reactor, run, *more))
        except Unsupported:
            rest = Run(run.descriptor, run.offset + self._sent, run.length - self._sent)
            await self._run(ChunkSending(transport, reactor, rest, *more))

    async def _send_directly(self, sending: DirectSending) -> None:
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
        self.flush()
        if not self._open:
            raise ConnectionLost
        if not self.ready:
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            await waiting

    def close(self) -> None:
        """Let go of the transport: it can only close when it has no producer."""
        self.flush()
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
        sent = self._sent
        if self._sending is not None:
            # Under TLS all goes in chunks, and one of them may still wait in this process.
            sent += self._sending.left if is_tls(self._transport) else self._sending.sent
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
