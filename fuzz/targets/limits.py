"""Conversations with a server whose limits are so narrow that everybody runs into them."""

from __future__ import annotations

from filesrv.server.limits import Limits
from fuzz.conversations import Conversations
from fuzz.scene import Scene

__all__ = ["check", "conversations"]

_NARROW = Limits(
    connections=2,
    connections_per_address=1,
    first_command_timeout=2.0,
    idle_timeout=5.0,
    line_timeout=1.0,
    min_rate=1000.0,
    transfers=2,
    transfers_per_client=1,
    upload_size=1_050_000,
    unfinished_per_client=2,
    unfinished_bytes_per_client=1_000_000,
    quota=2_000_000,
    quota_per_client=500_000,
    rate=100_000,
    rate_per_connection=70_000,
)

conversations = Conversations(lambda: Scene(limits=_NARROW))

check = conversations.check
