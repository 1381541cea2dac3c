"""
TLS between a transport and a protocol: to the one it is a protocol, to the other a
transport.

It is Python's own C{ssl} on buffers in memory.  Twisted's wrapper would need pyOpenSSL,
whose import alone takes longer than many a command; it delivers and encrypts 16 KiB at a
time, and ends the connection when the peer only closes its half.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IDelayedCall,
    IHalfCloseableProtocol,
    INegotiated,
    ITransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from zope.interface import directlyProvides, implementer, providedBy

from filesrv.transfer.sockets import forward_half_close, half_closer, set_send_limit
from filesrv.transfer.tls_failures import CutOff, NotTrusted, TLSFailed

__all__ = [
    "HANDSHAKE_WITHIN",
    "TLSLayer",
    "start_tls",
    "tls_layer",
]

#: Seconds for the handshake: two round trips, and patience for slow machines.
HANDSHAKE_WITHIN = 10.0

#: Bytes of the largest record (RFC 8446, 5.1): no read gives more.  Replies are collected up
#: to that size while commands are delivered, for each record costs 22 bytes and a call.
RECORD = 16 * 1024

#: Bytes that go to the kernel at once: a chunk of a download with all that its records add.
#: Twisted's 128 KiB would send those few on their own, with a turn of the reactor.
SEND_SIZE = 512 * 1024

#: Where bytes are that were decrypted, until all of what came at once is delivered.  One
#: place serves all, because nothing of it is kept from one call to the next.
_CLEAR = memoryview(bytearray(512 * 1024 + RECORD))

#: Seconds that the alert which explains a failed handshake has to leave this machine.
ALERT_WITHIN = 2.0


def _anybody(tls: ssl.SSLObject) -> None:
    """Nothing more is asked of the peer."""


@implementer(INegotiated, IHalfCloseableProtocol)
class TLSLayer(ProtocolWrapper):
    """
    One connection's TLS.

    @ivar tls: tells version, cipher and the peer's certificate.
    @ivar done: fires when the handshake is done, fails with L{TLSFailed}.
    """

    transport: Any  # half-close, abort, producers
    negotiatedProtocol = None  # noqa: N815
    _deadline: IDelayedCall | None = None
    _failure: TLSFailed | None = None
    _shaken = _delivering = _held_back = _peer_closed = _closed = False

    def __init__(
        self,
        reactor: Any,
        protocol: Any,
        context: ssl.SSLContext,
        check: Callable[[ssl.SSLObject], None] = _anybody,
        **more: Any,
    ) -> None:
        """
        @param check: raises L{NotTrusted} for a peer that OpenSSL has let in; it is called
            before anything but the handshake has left this side.
        @param more: what else C{SSLContext.wrap_bio} takes.
        """
        super().__init__(None, protocol)  # type: ignore[arg-type]
        self._reactor = reactor
        self._check = check
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, **more)
        self._waiting: list[bytes] = []
        self._size = 0
        self.done: Deferred[None] = Deferred()

    def getHandle(self) -> ssl.SSLObject:  # noqa: N802
        """No socket: nothing may go past this layer."""
        return self.tls

    # What the transport tells.

    def makeConnection(self, transport: ITransport) -> None:
        """Begin the handshake.  The protocol is told nothing."""
        directlyProvides(self, providedBy(transport))
        Protocol.makeConnection(self, transport)
        forward_half_close(transport, self)
        set_send_limit(transport, SEND_SIZE)
        self._deadline = self._reactor.callLater(
            HANDSHAKE_WITHIN, self._refuse, CutOff("the handshake takes too long")
        )
        self._shake()

    def dataReceived(self, data: bytes) -> None:
        if self._closed or self._failure is not None:
            return
        self._in.write(data)
        if not self._shaken:
            self._shake()
        if self._shaken:
            self._deliver()

    def readConnectionLost(self) -> None:
        # An end that TLS does not vouch for may be anybody's.
        if not self._peer_closed:
            self._fail(CutOff("the connection was cut off"))

    def writeConnectionLost(self) -> None:
        _tell_half(self.wrappedProtocol, "writeConnectionLost")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop_waiting()
        self.connected = 0
        if self._failure is None and not self._shaken:
            self._failure = CutOff("the connection ended within the handshake")
        if not self.done.called and self._failure is not None:
            self.done.errback(self._failure)
        if self.wrappedProtocol.connected:  # type: ignore[attr-defined]
            self.wrappedProtocol.connectionLost(Failure(self._failure) if self._failure else reason)

    # What the protocol asks for.

    def write(self, data: bytes) -> None:
        if self._closed:
            return
        self._waiting.append(data)
        self._size += len(data)
        if self._shaken and (self._size >= RECORD or not self._delivering):
            self._encrypt()

    def encrypted(self, data: memoryview) -> bytes:
        """
        All that was held back, and then C{data}, as it goes over the wire.

        @raise ssl.SSLError: it cannot be encrypted.
        """
        while data:
            data = data[self.tls.write(data) :]
        return self._out.read()

    def hold_back(self) -> None:
        """
        Write nothing until L{let_go}: somebody else writes on the socket meanwhile, and ends
        that before the connection is to be closed.
        """
        self._held_back = True

    def let_go(self, rest: memoryview) -> None:
        """
        Write again.

        @param rest: of what was L{encrypted}, that the socket has not taken.
        """
        if self._held_back:
            self._held_back = False
            if rest:
                self.transport.write(bytes(rest))
            self._flush()

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def loseWriteConnection(self) -> None:
        """Say that this was all, and go on reading."""
        if self._end_writing():
            end = half_closer(self.transport) or self.transport.loseConnection
            end()

    def loseConnection(self) -> None:
        self.disconnecting = 1
        if self._end_writing():
            self.transport.loseConnection()

    def abortConnection(self) -> None:
        """End without a word."""
        self.disconnecting = 1
        self._closed = True
        self.transport.abortConnection()

    def _end_writing(self) -> bool:
        """Whether that was possible; a connection without keys is ended at once."""
        if not self._shaken:
            self.abortConnection()
            return False
        if not self._closed:
            self._encrypt()
            self._closed = True
            # It waits for the peer's own last word, and we do not.
            with suppress(ssl.SSLError):
                self.tls.unwrap()
            self._flush()
        return True

    # The work.

    def _shake(self) -> None:
        try:
            self.tls.do_handshake()
            self._check(self.tls)
        except ssl.SSLWantReadError:
            self._flush()
            return
        except ssl.SSLError as error:
            self._refuse(_failure(error))
            return
        except NotTrusted as error:
            self._out.read()
            self._refuse(error)
            return
        self._flush()
        self._stop_waiting()
        self._shaken = True
        self.done.callback(None)
        self._encrypt()

    def _deliver(self) -> None:
        failed: TLSFailed | None = None
        try:
            while self._decrypt():
                pass
            self._peer_closed = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._peer_closed = True
        except ssl.SSLError as error:
            failed = _failure(error)
        self._flush()
        if failed is not None:
            self._fail(failed)
        elif self._peer_closed and not _tell_half(self.wrappedProtocol, "readConnectionLost"):
            self.loseConnection()

    def _decrypt(self) -> bool:
        """
        Decrypt and hand over as much as there is, and room for it.

        @return: whether there may be more.
        @raise ssl.SSLError: there is not, and why.
        """
        read: Any = self.tls.read  # typeshed knows it without a buffer
        size, count = 0, 1
        try:
            while count and len(_CLEAR) - size >= RECORD:
                count = read(RECORD, _CLEAR[size:])
                size += count
        finally:
            if size:
                self._hand_over(size)
        return count > 0

    def _hand_over(self, size: int) -> None:
        self._delivering = True
        try:
            view, takes = _CLEAR[:size], getattr(self.wrappedProtocol, "takes_views", False)
            self.wrappedProtocol.dataReceived(view if takes else bytes(view))  # type: ignore[arg-type]
        finally:
            self._delivering = False
        self._encrypt()

    def _encrypt(self) -> None:
        if not self._waiting or self._closed:
            return
        waiting, self._waiting, self._size = self._waiting, [], 0
        data = memoryview(waiting[0] if len(waiting) == 1 else b"".join(waiting))
        try:
            while data:
                data = data[self.tls.write(data) :]
        except ssl.SSLError as error:
            self._fail(_failure(error))
            return
        self._flush()

    def _flush(self) -> None:
        if self._out.pending and not self._held_back:
            self.transport.write(self._out.read())

    def _refuse(self, failure: TLSFailed) -> None:
        """Tell the peer in its alert what was wrong with its handshake."""
        self._stop_waiting()
        self._failure = failure
        self._flush()
        self.transport.unregisterProducer()  # with one, it would stay for ever
        self.transport.loseConnection()
        self._deadline = self._reactor.callLater(ALERT_WITHIN, self.abortConnection)

    def _fail(self, failure: TLSFailed) -> None:
        self._failure = self._failure or failure
        self.abortConnection()

    def _stop_waiting(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()


def start_tls(reactor: Any, protocol: Any, context: ssl.SSLContext, **more: Any) -> TLSLayer:
    """
    Put TLS under a protocol that has a connection; C{protocol.transport} is the layer then.

    @param more: what else C{SSLContext.wrap_bio} takes.
    """
    transport = protocol.transport
    layer = TLSLayer(reactor, protocol, context, **more)
    if isinstance(transport, ProtocolWrapper):
        transport.wrappedProtocol = layer
    else:
        transport.protocol = layer
    protocol.transport = layer
    layer.makeConnection(transport)
    return layer


def tls_layer(transport: Any) -> TLSLayer | None:
    """The layer that a transport is, or has below itself."""
    while isinstance(transport, ProtocolWrapper) and not isinstance(transport, TLSLayer):
        transport = transport.transport
    return transport if isinstance(transport, TLSLayer) else None


def _tell_half(protocol: Any, what: str) -> bool:
    """Whether a protocol wants to know that one half of the connection is closed."""
    if not IHalfCloseableProtocol.providedBy(protocol):
        return False
    getattr(protocol, what)()
    return True


#: What OpenSSL calls those failures that somebody has to do something about.
_WORDS = {
    "WRONG_VERSION_NUMBER": "the peer does not speak TLS",
    "HTTP_REQUEST": "the peer does not speak TLS",
    "UNSUPPORTED_PROTOCOL": "the peer speaks no version of TLS from 1.2 on",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the peer speaks no version of TLS from 1.2 on",
    "NO_SHARED_CIPHER": "there is no cipher that both know",
}


def _failure(error: ssl.SSLError) -> TLSFailed:
    if isinstance(error, ssl.SSLCertVerificationError):
        return NotTrusted(str(error.verify_message).rstrip("."))
    if isinstance(error, ssl.SSLEOFError):
        return CutOff("the connection was cut off")
    reason = error.reason or "TLS failed"
    return TLSFailed(_WORDS.get(reason, reason.lower().replace("_", " ")))
