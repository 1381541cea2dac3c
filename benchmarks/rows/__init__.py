"""
All that is measured: the one list of tables.
"""

from __future__ import annotations

from benchmarks.rows.commands import COMMANDS, SMALL
from benchmarks.rows.echoes import AHEAD, LOADED
from benchmarks.rows.going_on import GOING_ON
from benchmarks.rows.many import CLIENTS, SIZES, TOGETHER
from benchmarks.rows.streams import STREAMS
from benchmarks.support.samples import Group

__all__ = ["GROUPS"]

GROUPS: tuple[Group, ...] = (
    STREAMS,
    COMMANDS,
    SMALL,
    AHEAD,
    LOADED,
    TOGETHER,
    GOING_ON,
    CLIENTS,
    SIZES,
)
