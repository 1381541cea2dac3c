"""
A connection to the first of several addresses that takes one (Happy Eyeballs, RFC 8305).

Twisted's endpoint for host names does it, too, but takes as long to import as it takes to
connect, and has each byte go through a wrapper.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IConnector, IDelayedCall, IProtocol
from twisted.internet.protocol import ClientFactory, Factory
from twisted.python.failure import Failure

from filesrv.client.resolver import Address

__all__ = ["connect_first"]

#: Seconds that an address has before the next one is tried beside it (RFC 8305, 8, has a
#: quarter of a second, and what a round trip takes to most places).
HEAD_START = 0.25

#: Seconds until an attempt is given up.
ATTEMPT_TIMEOUT = 30.0


def connect_first(
    reactor: Any, addresses: Sequence[Address], factory: Factory[Any]
) -> Deferred[IProtocol]:
    """
    Cancelling it leaves nothing behind.

    @param addresses: at least one, in the order of preference.
    @raise twisted.internet.error.ConnectError: none of them takes a connection; that is
        what the last has said.
    """
    race = _Race(reactor, addresses, factory)
    race.start_next()
    return race.winner


class _Race:
    """
    Attempts, side by side.

    @ivar winner: fires with the protocol that is connected.
    """

    def __init__(self, reactor: Any, addresses: Sequence[Address], factory: Factory[Any]) -> None:
        self._reactor = reactor
        self._factory = factory
        self._left = deque(addresses)
        self._running: dict[_Attempt, IConnector] = {}
        self._next: IDelayedCall | None = None
        self.winner: Deferred[IProtocol] = Deferred(lambda _: self._stop())

    def start_next(self) -> None:
        """Try one more address."""
        address = self._left.popleft()
        self._next = self._reactor.callLater(HEAD_START, self.start_next) if self._left else None
        attempt = _Attempt(self)
        self._running[attempt] = self._reactor.connectTCP(
            address.host, address.port, attempt, timeout=ATTEMPT_TIMEOUT
        )

    def won(self, attempt: _Attempt, address: IAddress | None) -> Any:
        """An address has taken a connection; the protocol for it."""
        del self._running[attempt]
        self._stop()
        protocol = self._factory.buildProtocol(address)
        # It gets its transport right after this.
        self._reactor.callLater(0, self._tell, protocol)
        return protocol

    def failed(self, attempt: _Attempt, reason: Failure) -> None:
        """An address has not."""
        if self._running.pop(attempt, None) is None:
            return  # stopped
        if self._next is not None:
            self._next.reset(0)  # Nobody is left to have a head start.
        elif not self._running:
            self.winner.errback(reason)

    def _tell(self, protocol: Any) -> None:
        if self.winner.called:  # by who has cancelled it
            protocol.transport.abortConnection()
        else:
            self.winner.callback(protocol)

    def _stop(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None
        running, self._running = self._running, {}
        for connector in running.values():
            connector.stopConnecting()


class _Attempt(ClientFactory):
    """One address, as the reactor wants it."""

    noisy = False

    def __init__(self, race: _Race) -> None:
        self._race = race

    def buildProtocol(self, addr: IAddress | None) -> Any:
        return self._race.won(self, addr)

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        self._race.failed(self, reason)
