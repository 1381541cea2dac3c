"""
Draws who sends what to whom, from a table of arrows, as SVG.

    left: connect()
    -> SYN
    <- SYN, ACK
    -> ACK
    right: accept()

An arrow goes from one line of life to the other and takes time; ``left:`` and ``right:``
say what happens there; ``...`` is a time in which much else goes to and fro.
"""

from __future__ import annotations

import re
from html import escape
from typing import NamedTuple

__all__ = ["Row", "draw", "parse"]

_ROW = re.compile(r"(?P<kind>->|<-|left:|right:)\s+(?P<text>\S.*)|(?P<pause>\.\.\.)")

# Pixels.  The slope of an arrow says that a packet is on its way for a while.
_WIDTH, _LEFT, _RIGHT = 640, 170, 470
_ARROW, _SLOPE, _NOTE, _PAUSE, _TOP = 44, 16, 24, 26, 40


class Row(NamedTuple):
    """
    @ivar kind: ``->``, ``<-``, ``left:``, ``right:`` or ``...``.
    """

    kind: str
    text: str


def parse(lines: list[str]) -> list[Row]:
    """
    The rows of a table.

    @raise ValueError: a line is none.
    """
    rows = []
    for line in lines:
        if not line.strip():
            continue
        match = _ROW.fullmatch(line.strip())
        if match is None:
            raise ValueError(f"neither an arrow nor a note: {line.strip()}")
        rows.append(Row(match["kind"] or match["pause"], match["text"] or ""))
    return rows


def draw(left: str, right: str, rows: list[Row]) -> str:
    """The picture as SVG."""
    y, parts = _TOP, []
    for row in rows:
        step, drawn = _row(row, y)
        parts += drawn
        y += step
    bottom = y + 10
    alive = [
        f'<line x1="{x}" y1="{_TOP - 10}" x2="{x}" y2="{bottom}" opacity="0.5"/>'
        for x in (_LEFT, _RIGHT)
    ]
    heads = [_text(_LEFT, 20, left, "middle", bold=True), _text(_RIGHT, 20, right, "middle", True)]
    described = escape("; ".join(f"{row.kind} {row.text}".strip() for row in rows))
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + 10}"'
        f' width="{_WIDTH}" style="max-width: 100%; height: auto" role="img"'
        ' stroke="currentColor" fill="currentColor" font-family="monospace" font-size="13">'
    )
    return "\n".join(
        [
            opening,
            f"<title>{escape(left)} and {escape(right)}: {described}</title>",
            *alive,
            *heads,
            *parts,
            "</svg>",
        ]
    )


def _row(row: Row, y: int) -> tuple[int, list[str]]:
    """How much height it takes, and what is drawn."""
    if row.kind == "left:":
        return _NOTE, [_text(_LEFT - 12, y + 12, row.text, "end")]
    if row.kind == "right:":
        return _NOTE, [_text(_RIGHT + 12, y + 12, row.text, "start")]
    middle = (_LEFT + _RIGHT) // 2
    if row.kind == "...":
        return _PAUSE, [_text(middle, y + 10, "⋮", "middle")]
    start, end = (_LEFT, _RIGHT) if row.kind == "->" else (_RIGHT, _LEFT)
    head = 1 if end > start else -1
    top, tip = y + 18, y + 18 + _SLOPE
    return _ARROW, [
        _text(middle, y + 14, row.text, "middle"),
        f'<line x1="{start}" y1="{top}" x2="{end}" y2="{tip}"/>',
        f'<path d="M {end} {tip} l {-10 * head} -5 l {head} 9 z"/>',
    ]


def _text(x: int, y: int, text: str, anchor: str, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" stroke="none"{weight}>{escape(text)}</text>'
    )
