"""
How much of the daemon strangers may have: all of its limits in one place.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

__all__ = ["DEFAULTS", "Limits"]


@dataclass(frozen=True)
class Limits:
    """
    What is infinite is not limited.  The defaults are those of the daemon; C{docs/limits.rst}
    says why they are what they are.

    @ivar connections: that stand at once.
    @ivar connections_per_address: of those, from one address; of IPv6, from one /64.
    @ivar first_command_timeout: seconds from the connection to the end of its first line.
    @ivar idle_timeout: seconds without a byte while a command could come.
    @ivar line_timeout: seconds from the first byte of a line to its end.
    @ivar min_rate: bytes a second that a transfer must have, over the stall timeout.
    @ivar transfers: that go on at once.
    @ivar transfers_per_client: of those, of one client.
    @ivar upload_size: bytes of one file.
    @ivar unfinished_per_client: uploads of a client that are not complete.
    @ivar unfinished_bytes_per_client: bytes of those together, as they are announced while
        they go on, and as they are here when they do not.
    @ivar quota: bytes of all files, and of all unfinished uploads.
    @ivar quota_per_client: bytes of what a client has published, and of its unfinished uploads.
    @ivar rate: bytes a second of all transfers of one direction together.
    @ivar rate_per_connection: bytes a second of one transfer.
    """

    connections: float = 10_000
    connections_per_address: float = 256
    first_command_timeout: float = 60.0
    idle_timeout: float = 600.0
    line_timeout: float = 60.0
    min_rate: float = 0.0
    transfers: float = inf
    transfers_per_client: float = 128
    upload_size: float = inf
    unfinished_per_client: float = 1000
    unfinished_bytes_per_client: float = inf
    quota: float = inf
    quota_per_client: float = inf
    rate: float = inf
    rate_per_connection: float = inf

    @property
    def paced(self) -> bool:
        """Whether transfers may have to wait for their rate."""
        return self.rate != inf or self.rate_per_connection != inf


#: Those of the daemon.
DEFAULTS = Limits()
