"""
From what was given on the command line and in the file to the values of all options.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from twisted.python.usage import UsageError

from filesrv.service.options.config import Config, Setting
from filesrv.service.options.option import Group, Option, Values, WrongOption

__all__ = ["settle"]

_NAMED = re.compile(r"--(?P<option>[a-z0-9-]+) (?P<words>.*)", re.DOTALL)
_AT_LINE = re.compile(r".*?:(\d+): ")


def settle(
    groups: Sequence[Group], given: Mapping[str, Sequence[str]], config: Config, values: Values
) -> list[str]:
    """
    Give each option its value: what the command line says, else the file, else the default.

    @param given: of the command line, by option.
    @param values: takes the values.
    @return: all that is wrong, in words.
    """
    faults = list(config.faults)
    for option in (option for group in groups for option in group.options):
        read = list(_read(option, _settings(option, given, config), faults))
        if not read:
            values[option.name] = option.unset
        else:
            values[option.name] = read if option.repeatable else read[-1]
    faults += _checked(groups, values, {**_places(config), **dict.fromkeys(given)})
    return sorted(faults, key=_line)


def _line(fault: str) -> int:
    """Of the file; what is not in it comes first."""
    found = _AT_LINE.match(fault)
    return int(found[1]) if found else 0


def _settings(
    option: Option, given: Mapping[str, Sequence[str]], config: Config
) -> Iterable[tuple[str, str | None]]:
    if option.name in given:
        return [(text, None) for text in given[option.name]]
    return config.settings.get(option.name, [])


def _read(
    option: Option, settings: Iterable[Setting | tuple[str, str | None]], faults: list[str]
) -> Iterator[object]:
    for text, place in settings:
        try:
            yield option.read(text)
        except WrongOption as error:
            faults.append(error.at(place))


def _places(config: Config) -> dict[str, str | None]:
    return {name: config.place(name) for name in config.settings}


def _checked(
    groups: Iterable[Group], values: Values, places: Mapping[str, str | None]
) -> Iterator[str]:
    """What is wrong with options together."""
    for group in groups:
        try:
            group.check(values)
        except WrongOption as error:
            yield error.at(places.get(error.option))
        except UsageError as error:
            found = _NAMED.fullmatch(str(error))
            named = WrongOption(found["option"], found["words"]) if found else None
            yield named.at(places.get(named.option)) if named else str(error)
