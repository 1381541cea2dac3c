"""
Connections that come through a proxy, which says first whose they are.

Twisted has a wrapper for that.  But it tells the protocol of the connection before it
has read the header, so that the client would be the proxy; it gives up where a header
comes in small pieces, and does not know C{PROXY UNKNOWN}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, ITransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from zope.interface import directlyProvides, providedBy

from filesrv.server.gate import TurnedAway
from filesrv.wire.proxy import ProxyHeader, read_proxy_header

__all__ = ["ProxiedEndpoint", "ProxiedFactory", "ProxiedProtocol"]

#: Seconds that a proxy gets for its header, which it sends before anything else.
HEADER_WITHIN = 10.0


class ProxiedProtocol(ProtocolWrapper):
    """One connection, of which its protocol hears when the header has been read."""

    factory: Any  # a ProxiedFactory; Twisted's is generic and without annotations
    _log = Logger()
    _first = b""
    _header: ProxyHeader | None = None
    _deadline: IDelayedCall | None = None

    def makeConnection(self, transport: ITransport) -> None:
        """As that of ProtocolWrapper, without telling the wrapped protocol."""
        directlyProvides(self, providedBy(transport))
        Protocol.makeConnection(self, transport)
        self.factory.registerProtocol(self)
        self._deadline = self.factory.reactor.callLater(HEADER_WITHIN, self._refuse, "no header")

    def dataReceived(self, data: bytes) -> None:
        if self._header is not None:
            self.wrappedProtocol.dataReceived(data)
            return
        self._first += data
        try:
            self._header = read_proxy_header(self._first)
        except ValueError as error:
            self._refuse(str(error))
            return
        if self._header is not None:
            self._stop_waiting()
            # Only now is it known whose it is, and so whether there is room for it.
            self.wrappedProtocol = self.factory.wrappedFactory.buildProtocol(self.getPeer())
            refused = isinstance(self.wrappedProtocol, TurnedAway)
            self.wrappedProtocol.makeConnection(self.transport if refused else self)  # type: ignore[arg-type]
            if self._header.rest:
                self.wrappedProtocol.dataReceived(self._header.rest)

    def getPeer(self) -> IAddress:
        header = self._header
        if header is None or header.host is None:
            peer: IAddress = super().getPeer()  # type: ignore[no-untyped-call]
            return peer
        family = IPv6Address if ":" in header.host else IPv4Address
        return family("TCP", header.host, header.port)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop_waiting()
        self.factory.unregisterProtocol(self)
        if self._header is not None:
            self.wrappedProtocol.connectionLost(reason)

    def _refuse(self, why: str) -> None:
        peer = super().getPeer()  # type: ignore[no-untyped-call]
        self._log.warn("{peer} is no proxy: {why}", peer=peer, why=why)
        self._stop_waiting()
        self.abortConnection()

    def _stop_waiting(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()


class ProxiedFactory(WrappingFactory[ProxiedProtocol]):
    """
    Makes a L{ProxiedProtocol} around each protocol of another factory.

    @ivar reactor: for the deadline of the header.
    """

    protocol = ProxiedProtocol
    noisy = False

    def __init__(self, reactor: Any, wrapped: Factory) -> None:
        super().__init__(wrapped)  # type: ignore[no-untyped-call]
        self.reactor = reactor

    def buildProtocol(self, addr: IAddress | None) -> ProxiedProtocol:
        return ProxiedProtocol(self, Protocol())  # until the header has been read


class ProxiedEndpoint:
    """Listens like another endpoint, behind a proxy."""

    def __init__(self, reactor: Any, endpoint: Any) -> None:
        self._reactor = reactor
        self._endpoint = endpoint

    def listen(self, factory: Factory) -> Deferred[Any]:
        """What the other endpoint gives."""
        listening: Deferred[Any] = self._endpoint.listen(ProxiedFactory(self._reactor, factory))
        return listening
