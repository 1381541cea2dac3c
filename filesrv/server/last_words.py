"""
What a peer is told whose connection is ended for a reason of ours.
"""

from __future__ import annotations

from filesrv.wire.endings import Ending
from filesrv.wire.errors import FilesrvError, Idle, ShuttingDown, Stalled, TakenOver

__all__ = ["CLOSE_WITHIN", "DEAD", "LAST_WORDS"]

#: Seconds that a peer whose connection is ended gets to read its last reply.
CLOSE_WITHIN = 10.0

#: What is said; of other endings nothing is.
LAST_WORDS: dict[Ending, type[FilesrvError]] = {
    Ending.TAKEN_OVER: TakenOver,
    Ending.SERVER_STOPPED: ShuttingDown,
    Ending.STALLED: Stalled,
    Ending.KICKED: ShuttingDown,
    Ending.IDLE: Idle,
}

#: Endings after which nobody is there to read a last reply.
DEAD = frozenset({Ending.DEAD_KEEPALIVE, Ending.DEAD_UNACKNOWLEDGED})
