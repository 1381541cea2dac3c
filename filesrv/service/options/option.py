"""
What an option is: a row of a table from which the command line, the help, the
configuration file, the manual page and the completions are made.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from twisted.python.usage import UsageError

__all__ = [
    "Choice",
    "Flag",
    "Group",
    "Kind",
    "Number",
    "Option",
    "Path",
    "Text",
    "Values",
    "Whole",
    "WrongOption",
]

#: The values of all options by name; one that may be given more than once is a list.
Values = dict[str, Any]


class WrongOption(UsageError):
    """
    An option cannot be what it was said to be.

    @ivar option: its name, without dashes.
    @ivar words: what is wrong; they go on with a sentence that begins with the name.
    """

    def __init__(self, option: str, words: str) -> None:
        super().__init__(f"--{option} {words}")
        self.option = option
        self.words = words

    def at(self, place: str | None) -> str:
        """The fault in words; C{place} is file and line, if it is in a file."""
        return str(self) if place is None else f"{place}: {self.option} {self.words}"


class Kind(Protocol):
    """
    How an option's values are read.

    @ivar toml: the types that a value may have in the configuration file.
    """

    @property
    def toml(self) -> tuple[type, ...]: ...

    def read(self, text: str) -> Any:
        """
        @raise ValueError: with what it takes, such as C{takes a number}.
        """


@dataclass(frozen=True)
class Flag:
    """An option that is there or is not."""

    toml: tuple[type, ...] = (bool,)

    def read(self, text: str) -> bool:
        if text.lower() not in ("true", "false"):
            raise ValueError("takes true or false")
        return text.lower() == "true"


#: What a path may begin with: directories that systemd makes for a service and names in
#: its environment (systemd.exec(5)).
_OF_SYSTEMD = re.compile(
    r"(?P<kind>[a-z]+:)?"
    r"\$\{?(?P<name>(?:CACHE|CONFIGURATION|CREDENTIALS|LOGS|RUNTIME|STATE)_DIRECTORY)\}?(?=/|$)"
)


@dataclass(frozen=True)
class Text:
    """
    Any text; what it means is for the group to check.  A path in it, perhaps behind a word
    and a colon, may begin with a directory of systemd's.
    """

    toml: tuple[type, ...] = (str,)

    def read(self, text: str) -> str:
        match = _OF_SYSTEMD.match(text)
        if match is None:
            return text
        found = os.environ.get(match["name"], "").split(":")[0]
        if not found:
            raise ValueError(f"names ${match['name']}, which systemd has not set")
        return (match["kind"] or "") + found + text[match.end() :]


@dataclass(frozen=True)
class Path(Text):
    """A file, or a directory: completed as one."""

    directory: bool = False


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]
    toml: tuple[type, ...] = (str,)

    def read(self, text: str) -> str:
        if text not in self.words:
            raise ValueError(f"is {' or '.join(self.words)}, not {text}")
        return text


@dataclass(frozen=True)
class Number:
    """A number from C{least} to C{most}."""

    least: float
    most: float = math.inf
    toml: tuple[type, ...] = (int, float)

    def read(self, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not self.least <= value <= self.most or math.isinf(value):
            raise ValueError(f"takes a number {_span(self.least, self.most)}, not {text}")
        return value


@dataclass(frozen=True)
class Whole:
    """A whole number from C{least} to C{most}."""

    least: int
    most: float = math.inf
    toml: tuple[type, ...] = (int,)

    def read(self, text: str) -> int:
        # int() also takes 1_000, +5 and the digits of all scripts.
        plain = text.isascii() and text.isdigit() and len(text) < 20
        if not plain or not self.least <= int(text) <= self.most:
            raise ValueError(f"takes a whole number {_span(self.least, self.most)}, not {text}")
        return int(text)


def _span(least: float, most: float) -> str:
    upwards = f"from {least:g}"
    return upwards if math.isinf(most) else f"{upwards} to {most:g}"


@dataclass(frozen=True)
class Option:
    """
    One option.

    @ivar name: without dashes in front; also its key among the values.
    @ivar help: a sentence or two, without the default.
    @ivar metavar: what stands for its value in the help; empty for a flag.
    @ivar default: its value where it is not given; of the same type as given ones.
    @ivar default_words: the default in words, where it is no constant.
    @ivar repeatable: it may be given more than once; its value is a list.
    @ivar in_file: it may stand in the configuration file.
    """

    name: str
    help: str
    kind: Kind = Text()
    metavar: str = ""
    default: Any = None
    short: str = ""
    default_words: str = ""
    repeatable: bool = False
    in_file: bool = True

    @property
    def flag(self) -> bool:
        """Whether it takes no value."""
        return isinstance(self.kind, Flag)

    @property
    def unset(self) -> Any:
        """Its value where it is not given."""
        if self.repeatable:
            return list(self.default or ())
        return bool(self.default) if self.flag else self.default

    def read(self, text: str) -> Any:
        """
        One value.

        @raise WrongOption: it takes no such value.
        """
        try:
            return self.kind.read(text)
        except ValueError as error:
            raise WrongOption(self.name, str(error)) from None

    @property
    def default_text(self) -> str:
        """The default as the help says it; empty where there is none to tell."""
        if self.default_words or self.flag or self.default is None:
            return self.default_words
        values = self.default if self.repeatable else [self.default]
        return " ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in values)


def _nothing(options: Values) -> None:
    pass


@dataclass(frozen=True)
class Group:
    """
    Options that belong together.

    @ivar name: of their table in the configuration file.
    @ivar title: their heading in the help.
    @ivar check: looks at the values of all options when each has been read, and may make
        others of them.  It raises L{WrongOption} for what is wrong, and touches neither
        disk nor network beyond reading files that options name.
    """

    name: str
    title: str
    options: tuple[Option, ...]
    check: Callable[[Values], None] = _nothing
