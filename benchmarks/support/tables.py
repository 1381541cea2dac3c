"""
Tables of what was found, for a terminal and for the documentation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from benchmarks.support.samples import Column, Group, Samples

__all__ = ["Table", "plain", "restructured", "table"]

Table = Sequence[Sequence[str]]


def table(group: Group, samples: Samples) -> Table:
    """The lines of a group, the first of them its headings; what was not measured is left out."""
    lines = samples.lines(group.key)
    columns = [each for each in group.columns if samples.has(group.key, each.key)]
    headings = [text for column in columns for text in _headings(group, column)]
    return [
        ["", *headings],
        *([line, *_cells(group, columns, samples, line)] for line in lines),
    ]


def _headings(group: Group, column: Column) -> Iterator[str]:
    yield column.heading
    if column.ratio:
        yield f"÷ {group.reference}"


def _cells(group: Group, columns: Sequence[Column], samples: Samples, line: str) -> Iterator[str]:
    for column in columns:
        yield _shown(samples.median(group.key, line, column.key), column.form)
        if column.ratio:
            yield _shown(samples.ratio(group.key, line, column.key, group.reference), "{:.2f}")


def _shown(value: float, form: str) -> str:
    return "" if math.isnan(value) else form.format(value)


def plain(table: Table) -> str:
    """For a terminal: columns that stand one under the other."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(
            f"{cell:<{width}}" if not number else f"{cell:>{width}}"
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    )


def restructured(table: Table, widths: Sequence[int] = ()) -> str:
    """As reStructuredText has it."""
    lines = [".. list-table::", "   :header-rows: 1"]
    lines += [f"   :widths: {' '.join(map(str, widths))}"] if widths else []
    lines.append("")
    for line in table:
        for number, cell in enumerate(line):
            lines.append(f"   {'  ' if number else '* '}- {cell}".rstrip())
    return "\n".join(lines) + "\n"
