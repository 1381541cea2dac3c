"""
The time (RFC 867): a line for everybody who connects, or sends a datagram.

Twisted's own C{wire.Daytime} adds C{str} to C{bytes}, has no zone in its line, and closes
over what the client has sent, which may destroy the line on its way.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    IReactorTime,
)
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from filesrv.small_services.guard import Guard
from filesrv.small_services.guarded import GuardedService
from filesrv.transfer.sockets import plain_host, socket_of
from filesrv.wire.datagrams import line_of
from filesrv.wire.daytime import daytime_line, parse_daytime
from filesrv.wire.errors import BadArguments

__all__ = ["DaytimeDatagrams", "DaytimeFactory", "DaytimeProtocol"]

#: Seconds that a client gets to take the line and close its half.  To close over what it
#: may have sent would have the kernel answer that with a reset, which overtakes the line.
LINGER = 2.0


@implementer(IHalfCloseableProtocol)
class DaytimeProtocol(Protocol):
    """Says the time and closes; what the client says is of no interest."""

    factory: DaytimeFactory
    transport: Any  # more than ITransport: half-close and abort
    _deadline: IDelayedCall

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor

    def connectionMade(self) -> None:
        self.factory.connected(self)
        self.transport.write(daytime_line(self._reactor.seconds()).encode("ascii") + b"\r\n")
        self._deadline = self._reactor.callLater(LINGER, self.transport.abortConnection)
        if socket_of(self.transport) is None:  # TLS has no half-closed connections
            self.transport.loseConnection()
        else:
            self.transport.loseWriteConnection()

    def readConnectionLost(self) -> None:
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """The line and our FIN are out; the client's is waited for."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._deadline.active():
            self._deadline.cancel()
        self.factory.connections.discard(self)


class DaytimeFactory(ServerFactory):
    """
    @ivar connections: those that are open.
    """

    noisy = False
    _log = Logger()

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self.connections: set[DaytimeProtocol] = set()

    def buildProtocol(self, addr: IAddress | None) -> DaytimeProtocol:  # type: ignore[override]
        protocol = DaytimeProtocol(self._reactor)
        protocol.factory = self
        return protocol

    def connected(self, protocol: DaytimeProtocol) -> None:
        """A connection was made."""
        self.connections.add(protocol)
        self._log.info("client {peer} connected", peer=_peer(protocol.transport.getPeer()))

    def stopFactory(self) -> None:
        for protocol in list(self.connections):
            protocol.transport.abortConnection()


def _peer(address: IAddress) -> str:
    if isinstance(address, (IPv4Address, IPv6Address)):
        return f"{plain_host(str(address.host))}({address.port})"
    return "local"


class DaytimeDatagrams(GuardedService):
    """
    The same over UDP.  The line is longer than the question, so the guard counts the line.
    """

    name = "UDP daytime"

    def __init__(self, clock: IReactorTime, guard: Guard) -> None:
        super().__init__(clock, guard)
        self._clock = clock

    def answer_to(self, data: bytes) -> bytes | None:
        try:
            parse_daytime(line_of(data))
        except BadArguments:
            return daytime_line(self._clock.seconds()).encode("ascii") + b"\r\n"
        return None  # from another such service, or from an echo
