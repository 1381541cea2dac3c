"""
Thousands of connections that do nothing.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from benchmarks.rows.echoes import round_trips
from benchmarks.servers.ours import AsItComes, Line
from benchmarks.support.bench import Bench
from benchmarks.support.processes import memory
from benchmarks.support.samples import Column, Figures, Group, Row

__all__ = ["IDLE"]

#: How many come from one address, so that neither ports nor what a server allows to a
#: single address run short.
_FROM_ONE = 50

#: ECHOs whose median is taken.
_ECHOES = 500

KIB = 1024


class Open(AsItComes):
    """One that takes as many connections as come."""

    options = ("--max-connections", "none")


def _source(number: int) -> str:
    """An address of this machine: all of 127.0.0.0/8 is."""
    of_all = number // _FROM_ONE + 1
    return f"127.0.{of_all // 250 + 1}.{of_all % 250 + 1}"


def _trip(server: AsItComes) -> float:
    with closing(Line(server.port)) as line:
        round_trips(line, count=_ECHOES // 10)
        return statistics.median(round_trips(line, count=_ECHOES)) * 1e6


def _held(place: Path, count: int) -> Figures:
    """On a server of its own, which has not grown before."""
    server = Open()
    server.start(place)
    try:
        alone, empty = _trip(server), memory(server.pid)
        with ExitStack() as connections:
            for number in range(count):
                line = connections.enter_context(closing(Line(server.port, _source(number))))
                assert line.ask("ECHO a") == "a"  # Who says nothing at all is sent away.
            crowded, full = _trip(server), memory(server.pid)
    finally:
        server.stop()
        shutil.rmtree(place)
    return {
        "held": count,
        "memory": (full - empty) / count / KIB,
        "alone": alone,
        "crowded": crowded,
        "ratio": crowded / alone,
    }


def _rows(bench: Bench) -> Sequence[Row]:
    return [Row("filesrv", partial(_held, bench.place / "idle", bench.sizes.idle))]


IDLE = Group(
    key="idle",
    title="Idle connections",
    about="Memory is the process's (PSS) over what it was before; the times of an ECHO on one "
    "more connection are medians.",
    columns=(
        Column("held", "connections", "{:,.0f}"),
        Column("memory", "KiB each", "{:.1f}"),
        Column("alone", "ECHO when empty (µs)"),
        Column("crowded", "ECHO then (µs)"),
        Column("ratio", "then ÷ empty", "{:.2f}"),
    ),
    rows=_rows,
    most_rounds=5,
)
