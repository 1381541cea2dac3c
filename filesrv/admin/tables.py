"""
Answers of the daemon as tables for people.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Any

from rich.table import Table
from rich.text import Text

from filesrv.transfer.meter import format_size
from filesrv.watch.shown import shown_text

__all__ = ["clients_table", "heading", "running_table", "unfinished_table"]

Values = dict[str, Any]

#: Seconds without a byte from which a transfer is said to stand still.
_STANDS = 5.0


def heading(status: Values) -> list[str]:
    """What is true of the whole daemon, in three lines."""
    unfinished, moved = status["unfinished"], status["moved"]
    up = _duration(status["now"] - status["since"])
    waiting = f"{unfinished['uploads']} unfinished, {format_size(unfinished['bytes'])}"
    if unfinished["oldest"] is not None:
        waiting += f", the oldest for {_duration(status['now'] - unfinished['oldest'])}"
    stopping = ", stopping" if status["draining"] else ""
    totals = f"{format_size(moved['upload'])} up, {format_size(moved['download'])} down"
    return [
        f"filesrv {status['version']} on {status['root']}, up {up}, pid {status['pid']}{stopping}",
        f"{status['connections']} connections, {len(status['running'])} transfers; {totals}",
        waiting,
    ]


def running_table(answer: Values) -> Table:
    """What runs now."""
    rows = (
        (
            one["connection"],
            _who(one),
            {"upload": "up", "download": "down"}[one["direction"]],
            one["name"],
            f"{_percent(one)} of {format_size(one['size'])}",
            _rate(one),
            _left(one),
        )
        for one in answer["running"]
    )
    return _table(("ID", "WHO", "", "NAME", "DONE", "RATE", "LEFT"), rows, numbers={0, 4, 5, 6})


def unfinished_table(answer: Values) -> Table:
    """What broke off and waits."""
    now = answer["now"]
    rows = (
        (
            one["id"],
            one["client"],
            {"upload": "up", "download": "down"}[one["direction"]],
            one["name"],
            f"{_percent(one)} of {format_size(one['size'])}",
            f"{_duration(now - one['touched'])} ago",
            one["ended"] or "",
            f"in {_duration(one['expires'] - now)}",
        )
        for one in answer["unfinished"]
    )
    columns = ("ID", "WHOSE", "", "NAME", "DONE", "BROKE OFF", "HOW", "EXPIRES")
    return _table(columns, rows, numbers={4, 5, 7})


def clients_table(answer: Values) -> Table:
    """Who is connected."""
    rows = (
        (
            one["connection"],
            one["peer"],
            one["user"] or ("" if one["peer"].startswith(one["client"]) else one["client"]),
            _clock(one["since"]),
            format_size(one["moved"]),
            one["running"] or "",
        )
        for one in answer["clients"]
    )
    columns = ("ID", "ADDRESS", "USER", "SINCE", "MOVED", "TRANSFER")
    return _table(columns, rows, numbers={0, 4})


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]], numbers: set[int]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        right = place in numbers
        table.add_column(
            column,
            justify="right" if right else "left",
            no_wrap=True,
            overflow="ellipsis",
            # What a name, or an address, leaves out is missed least.
            min_width=None if right else min(8, len(column) or 4),
        )
    for row in rows:
        table.add_row(*(Text(shown_text(str(value))) for value in row))
    return table


def _who(one: Values) -> str:
    return str(one["user"] or one["peer"])


def _percent(one: Values) -> str:
    return f"{100 * one['position'] // one['size']}%" if one["size"] else "100%"


def _rate(one: Values) -> str:
    if one["still"] >= _STANDS:
        return f"still {_duration(one['still'])}"
    return f"{format_size(one['rate'])}/s"


def _left(one: Values) -> str:
    if one["still"] >= _STANDS or one["rate"] < 1:
        return ""
    return _duration((one["size"] - one["position"]) / one["rate"])


def _duration(seconds: float) -> str:
    """C{1:05}, C{2:01:05} or C{3 days}."""
    seconds = max(0, int(seconds))
    if seconds >= 2 * 86400:
        return f"{seconds // 86400} days"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _clock(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, timezone.utc).astimezone()
    return moment.isoformat(" ", "seconds")[:19]
