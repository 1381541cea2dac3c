"""
Who may come in: connections are counted, in all and by address, and those above the limit
get one line and no conversation.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from filesrv.server.limits import Limits
from filesrv.transfer.sockets import network_of, unwrapped
from filesrv.wire.errors import TooManyConnections
from filesrv.wire.replies import err

__all__ = ["Gate", "TurnedAway"]

#: Seconds between two lines of log about those who are turned away: who knocks thousands
#: of times a second must not fill the disk with it.
TELL_EVERY = 10.0


class Gate:
    """
    Counts the connections that stand.

    A host is an IP address, or L{None} where there is none, as on a Unix socket: that counts
    among all only.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        self._count = 0
        self._by_network: Counter[str] = Counter()
        self._turned_away = 0
        self._silence: IDelayedCall | None = None

    def refusal(self, host: str | None) -> TooManyConnections | None:
        """Why nobody may come in from C{host} now; L{None} if somebody may."""
        if self._count >= self._limits.connections:
            limit = self._limits.connections
            refusal = TooManyConnections("the server has all that it takes", limit=limit)
        elif (
            host is not None
            and self._by_network[network_of(host)] >= self._limits.connections_per_address
        ):
            limit = self._limits.connections_per_address
            refusal = TooManyConnections("your address has all that it may", limit=limit)
        else:
            return None
        self._turned_away += 1
        if self._silence is None:
            self._tell(host, refusal)
        return refusal

    def enter(self, host: str | None) -> None:
        """A connection was made."""
        self._count += 1
        if host is not None:
            self._by_network[network_of(host)] += 1

    def leave(self, host: str | None) -> None:
        """A connection that had entered has ended."""
        self._count -= 1
        if host is not None:
            network = network_of(host)
            self._by_network[network] -= 1
            if not self._by_network[network]:
                del self._by_network[network]

    def _tell(self, host: str | None, refusal: TooManyConnections) -> None:
        """Say it at once, and of all that come soon after it how many they were."""
        self._turned_away = 0
        self._silence = self._clock.callLater(TELL_EVERY, self._tell_more)
        self._log.warn(
            "turned away {host}: {words} ({limit} connections)",
            host=host or "a local client",
            words=refusal.words,
            limit=refusal.fields["limit"],
        )

    def _tell_more(self) -> None:
        count, self._turned_away = self._turned_away, 0
        self._silence = None
        if count:
            self._silence = self._clock.callLater(TELL_EVERY, self._tell_more)
            self._log.warn("turned away {count} more connections", count=count)


class TurnedAway(Protocol):
    """
    A connection that is told so and closed within the call that accepted it: it never has
    a conversation, and its descriptor is free before the next one is accepted.
    """

    def __init__(self, refusal: TooManyConnections) -> None:
        self._line = err(refusal) + b"\r\n"

    def connectionMade(self) -> None:
        transport: Any = self.transport
        below = unwrapped(transport)
        if not isinstance(below, FileDescriptor):
            below.abortConnection()
            return
        if below is transport:  # A handshake of TLS would cost more than all the rest.
            with suppress(OSError):
                below.writeSomeData(self._line)
        below.connectionLost(Failure(CONNECTION_DONE))
