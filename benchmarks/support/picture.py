"""
A picture of lines, as SVG.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Panel", "draw"]

# Pixels.
_WIDTH, _HEIGHT, _GAP = 300, 260, 62
_LEFT, _TOP, _LEGEND = 56, 40, 64

#: Colours that people tell apart who do not see all of them (Okabe and Ito, 2008).
_COLOURS = ("#000000", "#56B4E9", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")


@dataclass(frozen=True)
class Panel:
    """
    One of the pictures side by side.

    @ivar ticks: what stands below, from left to right.
    @ivar lines: by name, a figure for each tick.
    @ivar decades: whether each step up is ten times as much.
    """

    title: str
    ticks: Sequence[str]
    lines: Mapping[str, Sequence[float]]
    decades: bool = False

    def scale(self) -> tuple[list[float], float, float]:
        """The figures that stand at the left, and the ends of the scale."""
        found = [
            each for line in self.lines.values() for each in line if each > 0 and each < math.inf
        ]
        most = max(found, default=1.0)
        if self.decades:
            low = math.floor(math.log10(min(found, default=1.0)))
            high = max(low + 1, math.ceil(math.log10(most)))
            return [10.0**power for power in range(low, high + 1)], low, high
        step = 10 ** math.floor(math.log10(most))
        step = step / 4 if most / step < 2 else step / 2 if most / step < 5 else step
        count = math.ceil(most / step)
        return [step * number for number in range(count + 1)], 0.0, step * count


def draw(panels: Sequence[Panel]) -> str:
    """The panels side by side, and below them which line is whose."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    width = _LEFT + len(panels) * (_WIDTH + _GAP)
    height = _TOP + _HEIGHT + _LEGEND + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">',
        '<g font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, _LEFT + number * (_WIDTH + _GAP), names)
    parts += _legend(names, _TOP + _HEIGHT + 48)
    return "\n".join([*parts, "</g>", "</svg>"]) + "\n"


def _panel(panel: Panel, left: float, names: Sequence[str]) -> Iterator[str]:
    marks, low, high = panel.scale()

    def height(value: float) -> float:
        place = math.log10(value) if panel.decades else value
        return _TOP + _HEIGHT * (1 - (place - low) / (high - low))

    def across(number: int) -> float:
        return left + _WIDTH * (number + 0.5) / len(panel.ticks)

    yield f'<text x="{left}" y="{_TOP - 18}" font-weight="bold">{escape(panel.title)}</text>'
    for mark in marks:
        y = height(mark)
        yield f'<path d="M{left},{y:.1f}h{_WIDTH}" stroke="#ddd"/>'
        yield f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{mark:,g}</text>'
    for number, tick in enumerate(panel.ticks):
        place = f'x="{across(number):.1f}" y="{_TOP + _HEIGHT + 18}"'
        yield f'<text {place} text-anchor="middle">{escape(tick)}</text>'
    for name, values in panel.lines.items():
        colour = _COLOURS[names.index(name) % len(_COLOURS)]
        points = [(across(n), height(v)) for n, v in enumerate(values) if v > 0]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        wide = 3 if name.startswith("filesrv") else 1.5
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{wide}"/>'
        for x, y in points:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{wide}" fill="{colour}"/>'


def _legend(names: Sequence[str], y: float) -> Iterator[str]:
    x = float(_LEFT)
    for number, name in enumerate(names):
        colour = _COLOURS[number % len(_COLOURS)]
        yield f'<path d="M{x},{y - 4}h22" stroke="{colour}" stroke-width="3"/>'
        yield f'<text x="{x + 28}" y="{y}">{escape(name)}</text>'
        x += 52 + 7 * len(name)
