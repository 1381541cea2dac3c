"""
The help of the options, in their groups.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from filesrv.service.options.option import Group, Option

__all__ = ["help_of"]

#: Columns left of the explanations.
_INDENT = 30


def help_of(groups: Iterable[Group], more: Iterable[Option], width: int) -> str:
    """
    All options under the titles of their groups.

    @param more: those that are in none, such as C{--help}.
    @param width: columns.
    """
    return "\n".join(["", *_lines(groups, more, width)]) + "\n"


def _lines(groups: Iterable[Group], more: Iterable[Option], width: int) -> Iterator[str]:
    for group in groups:
        yield f"{group.title}:"
        for option in group.options:
            yield from _entry(option, width)
        yield ""
    yield "Other:"
    for option in more:
        yield from _entry(option, width)


def _entry(option: Option, width: int) -> list[str]:
    short = f"-{option.short}, " if option.short else "    "
    value = f"={option.metavar}" if option.metavar else ""
    left = f"  {short}--{option.name}{value}"
    default = f" [default: {option.default_text}]" if option.default_text else ""
    words = textwrap.wrap(option.help + default, max(20, width - _INDENT - 1))
    if len(left) < _INDENT:
        first = left.ljust(_INDENT) + words.pop(0)
        return [first, *(" " * _INDENT + line for line in words)]
    return [left, *(" " * _INDENT + line for line in words)]
