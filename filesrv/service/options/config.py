"""
The configuration file: TOML, a table for each group of options, a key for each option.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from filesrv.service.options.lines import lines_of
from filesrv.service.options.option import Group, Option

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Config", "Setting", "read_config"]

#: Bytes of a file that is read at most; more is no configuration.
MAX_SIZE = 1024 * 1024

_AT_LINE = re.compile(r" \(at line (\d+), column \d+\)$")


class Setting(NamedTuple):
    """
    One value of an option.

    @ivar text: as it would be given on the command line.
    @ivar place: file and line.
    """

    text: str
    place: str


@dataclass
class Config:
    """
    What the file sets.

    @ivar settings: by option; as many as it has values.
    @ivar faults: what is wrong, each with file and line.
    """

    settings: dict[str, list[Setting]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def place(self, option: str) -> str | None:
        """File and line of the option; L{None} if it is not in the file."""
        settings = self.settings.get(option)
        return settings[0].place if settings else None


def read_config(path: str, groups: Iterable[Group]) -> Config:
    """
    Read a file.  What is wrong with it is in the result.
    """
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_SIZE + 1)[:MAX_SIZE].decode("utf-8")
        tables = tomllib.loads(text)
    except OSError as error:
        return Config(faults=[f"{path}: {error.strerror}"])
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return Config(faults=[f"{path}:{line}: this is not UTF-8"])
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.search(str(error))
        line = int(found[1]) if found else len(text.splitlines())
        return Config(faults=[f"{path}:{line}: {_AT_LINE.sub('', str(error))}"])
    return _Reading(path, text, groups).config(tables)


class _Reading:
    def __init__(self, path: str, text: str, groups: Iterable[Group]) -> None:
        self._path = path
        self._lines = lines_of(text)
        self._groups = {
            group.name: {option.name: option for option in group.options if option.in_file}
            for group in groups
        }

    def config(self, tables: Mapping[str, Any]) -> Config:
        config = Config()
        for table, values in tables.items():
            options = self._groups.get(table)
            if options is None or not isinstance(values, dict):
                config.faults.append(f"{self._place(table)}: {self._no_such_table(table)}")
                continue
            for key, value in values.items():
                option = options.get(key)
                if option is None:
                    config.faults.append(f"{self._place(table, key)}: {self._no_key(table, key)}")
                else:
                    self._take(config, table, option, value)
        return config

    def _take(self, config: Config, table: str, option: Option, value: Any) -> None:
        values = value if option.repeatable and isinstance(value, list) else [value]
        settings = config.settings.setdefault(option.name, [])
        for index, one in enumerate(values):
            place = self._place(table, option.name, index=index)
            if _fits(one, option.kind.toml):
                settings.append(Setting(_text(one), place))
            else:
                wanted = _wanted(option.kind.toml)
                config.faults.append(f"{place}: {option.name} takes {wanted}, not {_type(one)}")

    def _place(self, *key: str, index: int = -1) -> str:
        """Of a key, or of one of the elements of its array."""
        while key and key not in self._lines:  # within an inline table
            key = key[:-1]
        own, *elements = self._lines.get(key, [1])
        line = elements[index] if 0 <= index < len(elements) else own
        return f"{self._path}:{line}"

    def _no_such_table(self, table: str) -> str:
        belongs = self._table_of(table)
        if belongs:
            return f"{table} belongs into the table [{belongs}]"
        return f"there is no table [{table}]{_meant(table, self._groups)}"

    def _no_key(self, table: str, key: str) -> str:
        belongs = self._table_of(key)
        if belongs:
            return f"{key} belongs into the table [{belongs}]"
        return f"there is no {key} in [{table}]{_meant(key, self._groups[table])}"

    def _table_of(self, key: str) -> str | None:
        return next((name for name, options in self._groups.items() if key in options), None)


def _meant(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), 1)
    return f"; {close[0]} was meant?" if close else ""


_TYPES: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "an array",
    dict: "a table",
}


def _fits(value: Any, types: tuple[type, ...]) -> bool:
    # To Python, true is a whole number.
    return type(value) in types


def _wanted(types: tuple[type, ...]) -> str:
    # Where a fraction will do, a whole number does, too.
    return " or ".join(_TYPES[kind] for kind in types if kind is not int or float not in types)


def _type(value: Any) -> str:
    return _TYPES.get(type(value), "a time")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
