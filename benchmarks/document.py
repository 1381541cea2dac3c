"""
What docs/performance.rst shows: the tables, and the picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.goals import goals_table
from benchmarks.rows.many import CLIENTS, COUNTS, SIZES, size_name
from benchmarks.support.bench import FULL, QUICK
from benchmarks.support.picture import Panel, draw
from benchmarks.support.samples import Group, Samples
from benchmarks.support.tables import restructured, table

__all__ = ["picture", "tables"]

_HEAD = """\
.. Made by python -m benchmarks.performance --rst; do not edit.

{form}, on {date}, {processor}, {kernel}; {versions}.

"""

#: What comes first of the facts, and is no version.
_NOT_VERSIONS = ("date", "processor", "kernel")


def tables(groups: Sequence[Group], samples: Samples, facts: Mapping[str, str], quick: bool) -> str:
    """
    The goals and all tables, to be included.

    @param quick: whether less was moved than the goals say.
    """
    form = "The short form, with small files" if quick else "The full form"
    versions = ", ".join(
        f"{key} {value}" for key, value in facts.items() if key not in _NOT_VERSIONS
    )
    parts = [_HEAD.format(form=form, versions=versions, **facts)]
    parts.append(restructured(goals_table(samples, "**"), (26, 30, 36, 8)))
    for group in groups:
        rounds = samples.rounds(group.key)
        about = f"{group.about}  {rounds} round{'s' * (rounds != 1)}."
        parts.append(f"\n{group.title}\n{'~' * len(group.title)}\n\n{about}\n\n")
        parts.append(restructured(table(group, samples)))
    return "".join(parts)


def picture(samples: Samples) -> str:
    """Throughput against size and number, as SVG."""
    sizes = [
        size
        for size in sorted({*FULL.chart, *QUICK.chart})
        if samples.has(SIZES.key, f"down {size}")
    ]
    by_size = [
        Panel(
            f"One {name}, MiB/s",
            [size_name(size) for size in sizes],
            {
                line: [samples.median(SIZES.key, line, f"{way} {size}") for size in sizes]
                for line in samples.lines(SIZES.key)
            },
            decades=True,
        )
        for name, way in (("download", "down"), ("upload", "up"))
    ]
    at_once = Panel(
        "Downloads at once, MiB/s of all together",
        [str(count) for count in COUNTS],
        {
            line: [samples.median(CLIENTS.key, line, str(count)) for count in COUNTS]
            for line in samples.lines(CLIENTS.key)
        },
    )
    return draw([*by_size, at_once])
