"""
The ways in which a connection ends, as logs and C{last=} fields name them.
"""

from __future__ import annotations

import enum

__all__ = ["Ending"]


class Ending(enum.Enum):
    """Why a connection ended."""

    CLOSED = "closed"
    RESET = "reset"
    DEAD_KEEPALIVE = "dead-keepalive"
    DEAD_UNACKNOWLEDGED = "dead-unacknowledged"
    STALLED = "stalled"
    TAKEN_OVER = "taken-over"
    SERVER_STOPPED = "server-stopped"
    KICKED = "kicked"
    REFUSED = "refused"
    IDLE = "idle"

    def __str__(self) -> str:
        return self.value
