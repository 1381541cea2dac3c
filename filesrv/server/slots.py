"""
How many transfers go on at once: in all, for each needs open files, and of each client.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from filesrv.server.limits import Limits
from filesrv.wire.errors import TooManyConnections

__all__ = ["Slots"]


class Slots:
    """The transfers that go on, by client."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._count = 0
        self._by_client: Counter[str] = Counter()

    def check(self, client: str) -> None:
        """
        @raise TooManyConnections: no transfer may begin now.  It is worth another try when
            one has ended, and every transfer has a connection of its own.
        """
        if self._by_client[client] >= self._limits.transfers_per_client:
            limit = self._limits.transfers_per_client
            raise TooManyConnections("you have as many transfers as you may", limit=limit)
        if self._count >= self._limits.transfers:
            limit = self._limits.transfers
            raise TooManyConnections("the server has all the transfers that it takes", limit=limit)

    @contextmanager
    def taken(self, client: str) -> Iterator[None]:
        """
        Around what holds a file open like a transfer.

        @raise TooManyConnections: it may not begin now.
        """
        self.check(client)
        self.take(client)
        try:
            yield
        finally:
            self.free(client)

    def take(self, client: str) -> None:
        """A transfer begins."""
        self._count += 1
        self._by_client[client] += 1

    def free(self, client: str) -> None:
        """A transfer has ended."""
        self._count -= 1
        self._by_client[client] -= 1
        if not self._by_client[client]:
            del self._by_client[client]
