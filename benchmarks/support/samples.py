"""
What was measured: for each line of each table its figures, one a round.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.support.bench import Bench

__all__ = ["Column", "Group", "Row", "Samples"]

#: What one round of a row finds, by the key of a column.
Figures = Mapping[str, float]


@dataclass(frozen=True)
class Row:
    """
    Something that is measured once a round.

    @ivar line: the line of the table that its figures stand in; rows may share one.
    """

    line: str
    measure: Callable[[], Figures]


@dataclass(frozen=True)
class Column:
    """
    One figure.

    @ivar ratio: whether it is also shown divided by that of the table's reference.
    """

    key: str
    heading: str
    form: str = "{:.0f}"
    ratio: bool = False


@dataclass(frozen=True)
class Group:
    """
    Rows that are compared: one table.

    @ivar key: its name on the command line.
    @ivar about: what was done, in a sentence or two.
    @ivar rows: those whose servers are installed.
    @ivar reference: the line that ratios are to.
    @ivar most_rounds: enough for what takes long and hardly varies.
    """

    key: str
    title: str
    about: str
    columns: Sequence[Column]
    rows: Callable[[Bench], Sequence[Row]]
    reference: str = "filesrv"
    most_rounds: int | None = None


@dataclass
class Samples:
    """
    All figures.

    @ivar found: by group, line and column, those of each round that did not fail.
    """

    found: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)

    def add(self, group: str, line: str, figures: Figures) -> None:
        """Keep what a round of a row has found."""
        of_line = self.found.setdefault(group, {}).setdefault(line, {})
        for key, value in figures.items():
            of_line.setdefault(key, []).append(value)

    def join(self, others: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]) -> None:
        """Keep what an earlier run has found, too."""
        for group, lines in others.items():
            for line, keys in lines.items():
                of_line = self.found.setdefault(group, {}).setdefault(line, {})
                for key, values in keys.items():
                    of_line.setdefault(key, []).extend(values)

    def rounds(self, group: str) -> int:
        """How often the rows of a table were measured."""
        of_group = self.found.get(group, {}).values()
        return max((len(values) for keys in of_group for values in keys.values()), default=0)

    def lines(self, group: str) -> Sequence[str]:
        """The lines of a table."""
        return list(self.found.get(group, {}))

    def has(self, group: str, key: str) -> bool:
        """Whether any line of a table has a column."""
        return any(key in of_line for of_line in self.found.get(group, {}).values())

    def median(self, group: str, line: str, key: str) -> float:
        """The middle one of all rounds; not a number where there is none."""
        values = self.found.get(group, {}).get(line, {}).get(key, [])
        return statistics.median(values) if values else math.nan

    def ratio(self, group: str, line: str, key: str, to: str) -> float:
        """The median of the rounds' ratios: each round compares what ran side by side."""
        of_group = self.found.get(group, {})
        ours, theirs = (of_group.get(each, {}).get(key, []) for each in (line, to))
        ratios = [a / b for a, b in zip(ours, theirs, strict=False) if b]
        return statistics.median(ratios) if ratios else math.nan
