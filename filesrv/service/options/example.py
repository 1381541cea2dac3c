"""
A configuration file that sets nothing and shows how everything is set.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator
from math import inf
from typing import Any

from filesrv.service.options.option import Choice, Group, Number, Option, Whole

__all__ = ["example_of"]

_HEAD = """\
# Options of the daemon: twistd filesrv --config FILE
#
# Each is shown with its default, or with what its value looks like where it has none.
# "twistd filesrv --config FILE --check" says what is wrong with a file. The command line
# has precedence."""

#: Columns of the comments.
_WIDTH = 88


def example_of(groups: Iterable[Group]) -> str:
    """The file, without the line end of its last line."""
    return "\n".join([_HEAD, *_lines(groups)])


def _lines(groups: Iterable[Group]) -> Iterator[str]:
    for group in groups:
        options = [option for option in group.options if option.in_file]
        if options:
            yield from ("", "", f"# {group.title}", f"[{group.name}]")
        for option in options:
            default = f" Default: {option.default_words}." if option.default_words else ""
            yield ""
            yield from (f"# {line}" for line in textwrap.wrap(option.help + default, _WIDTH))
            yield f"#{option.name} = {_value(option)}"


def _value(option: Option) -> str:
    if option.default is None:
        one = _toml(_shape(option))
        return f"[{one}]" if option.repeatable else one
    if option.repeatable:
        return f"[{', '.join(_toml(value) for value in option.default)}]"
    return _toml(option.default)


def _shape(option: Option) -> Any:
    """What a value looks like."""
    if option.flag:
        return False
    if isinstance(option.kind, (Number, Whole)):
        return option.kind.least
    return option.kind.words[0] if isinstance(option.kind, Choice) else option.metavar


def _toml(value: Any) -> str:
    if value == inf:
        return '"none"'
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    # What JSON writes of texts, numbers, true and false is TOML.
    return json.dumps(value, ensure_ascii=False)
