"""
All that is measured: the one list of tables.
"""

from __future__ import annotations

from benchmarks.rows.commands import COMMANDS, SMALL
from benchmarks.rows.echoes import AHEAD, LOADED
from benchmarks.rows.going_on import GOING_ON
from benchmarks.rows.idle import IDLE
from benchmarks.rows.many import CLIENTS, SIZES, TOGETHER
from benchmarks.rows.memory import MEMORY
from benchmarks.rows.streams import STREAMS
from benchmarks.rows.tls import TLS
from benchmarks.support.samples import Group

__all__ = ["GROUPS"]

#: In the order of the goals.
GROUPS: tuple[Group, ...] = (
    STREAMS,
    COMMANDS,
    SMALL,
    AHEAD,
    LOADED,
    TOGETHER,
    IDLE,
    MEMORY,
    GOING_ON,
    TLS,
    CLIENTS,
    SIZES,
)
