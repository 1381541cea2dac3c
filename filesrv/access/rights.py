"""
What may be done with a name, by whom: the rights file.

It says of directories what users, groups (C{@NAME}), everybody who has logged in (C{*}) and
everybody else (C{anonymous}) may do there::

    [groups]
    staff = alice, bob

    [/]
    *         = read, list
    @staff    = all

    [/incoming]
    anonymous = write
"""

from __future__ import annotations

import enum
import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from filesrv.access.users import ANONYMOUS, check_user
from filesrv.wire.errors import BadName
from filesrv.wire.names import check_directory

__all__ = ["Right", "Rights", "WrongRights", "parse_rights", "read_rights"]


class Right(enum.Flag):
    """What somebody may do in a directory; several of them are joined with C{|}."""

    NONE = 0
    READ = enum.auto()
    """Fetch the content of files."""
    WRITE = enum.auto()
    """Make files, but replace none."""
    DELETE = enum.auto()
    """Delete files, rename them away, and replace them."""
    LIST = enum.auto()
    """See which files there are."""
    PASS = enum.auto()
    """See the directories that lead to where somebody may list; nobody writes this down."""
    ALL = READ | WRITE | DELETE | LIST


_WORDS = {
    "read": Right.READ,
    "write": Right.WRITE,
    "delete": Right.DELETE,
    "list": Right.LIST,
    "all": Right.ALL,
    "none": Right.NONE,
}

#: Everybody who has logged in, and whom no other line of a directory is about.
EVERYBODY = "*"

#: Categories of what ends lines or steers terminals; no fault could be told in one line.
_UNSEEN = frozenset({"Cc", "Zl", "Zp"})

_SEPARATORS = re.compile(r"[,\s]+")


class WrongRights(Exception):
    """A rights file cannot be used; the words, for the administrator, name the line."""


@dataclass
class Rights:
    """
    Who may do what, where.

    @ivar groups: their names without the C{@}, and who is in them.
    @ivar lines: by directory (without slashes at its ends, C{""} being the root) and then
        by who it is: what they may do.
    """

    groups: dict[str, frozenset[str]] = field(default_factory=dict)
    lines: dict[str, dict[str, Right]] = field(default_factory=dict)

    def at(self, user: str | None, place: str) -> Right:
        """
        What somebody may do with a name under the root: what the nearest directory says that
        has a line about them; nothing if none has.

        @param user: L{None} for who has not logged in.
        """
        found: Right | None = None
        where = place.rstrip("/")
        for directory in _upwards(where):
            found = self._said(user, directory)
            if found is not None:
                break
        leads = any(
            (self._said(user, below) or Right.NONE) & Right.LIST for below in self.below(where)
        )
        return (found or Right.NONE) | (Right.PASS if leads else Right.NONE)

    def below(self, place: str) -> Iterator[str]:
        """The directories under C{place} about which something is said."""
        start = f"{place}/" if place else ""
        return (name for name in self.lines if name.startswith(start) and name != place)

    def _said(self, user: str | None, directory: str) -> Right | None:
        """What one directory says of somebody: the line of the user, the groups, or all."""
        lines = self.lines.get(directory, {})
        if user is None:
            return lines.get(ANONYMOUS)
        if user in lines:
            return lines[user]
        groups = [group for group, users in self.groups.items() if user in users]
        mine = [lines[f"@{group}"] for group in groups if f"@{group}" in lines]
        if not mine:
            return lines.get(EVERYBODY)
        joined = Right.NONE
        for right in mine:
            joined |= right
        return joined


def _upwards(place: str) -> Iterator[str]:
    """A name and the directories that it is in, the root last."""
    while place:
        yield place
        place = place.rpartition("/")[0]
    yield ""


def read_rights(path: str) -> Rights:
    """
    Read a rights file.

    @raise WrongRights: it cannot be read, or something in it is wrong.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise WrongRights(f"{path}: {os.strerror(error.errno or 0)}") from error
    except UnicodeDecodeError as error:
        raise WrongRights(f"{path}: is not UTF-8") from error
    try:
        return parse_rights(text)
    except WrongRights as error:
        raise WrongRights(f"{path}, {error}") from None


def parse_rights(text: str) -> Rights:
    """
    @raise WrongRights: something in it is wrong.
    """
    reading = _Reading(Rights())
    for number, line in enumerate(text.split("\n"), 1):
        try:
            reading.line(line.strip())
        except (ValueError, BadName) as error:
            raise WrongRights(f"line {number}: {error}") from None
    return reading.rights


class _Reading:
    """
    A rights file up to some line.

    @ivar section: takes the next entries, by their left and right side.
    """

    def __init__(self, rights: Rights) -> None:
        self.rights = rights
        self._seen: set[str] = set()
        self._directory: str | None = None

    def line(self, line: str) -> None:
        """
        @raise ValueError: it is wrong, in words.
        """
        if not line or line.startswith("#"):
            return
        if any(unicodedata.category(each) in _UNSEEN for each in line.replace("\t", " ")):
            raise ValueError("something stands here that cannot be seen")
        if line.startswith("["):
            self._heading(line)
            return
        left, found, right = (part.strip() for part in line.partition("="))
        if not found or not left:
            raise ValueError("neither [/directory] nor NAME = RIGHTS")
        if not self._seen:
            raise ValueError("there is no [/directory] above this")
        words = [word for word in _SEPARATORS.split(right) if word]
        if self._directory is None:
            self._group(left, words)
        else:
            self._entry(self.rights.lines[self._directory], left, words)

    def _heading(self, line: str) -> None:
        if not line.endswith("]") or not (line == "[groups]" or line.startswith("[/")):
            raise ValueError("a heading is [groups], or a directory: [/] or [/name]")
        name = line[1:-1].rstrip("/")
        if name in self._seen:
            raise ValueError(f"{line} is there twice")
        if name == "groups" and self._seen:
            raise ValueError("[groups] comes first")
        self._seen.add(name)
        self._directory = None if name == "groups" else check_directory(name[1:])
        if self._directory is not None:
            self.rights.lines[self._directory] = {}

    def _group(self, name: str, users: list[str]) -> None:
        if name in self.rights.groups:
            raise ValueError(f"the group {name} is there twice")
        self.rights.groups[check_user(name)] = frozenset(map(check_user, users))

    def _entry(self, lines: dict[str, Right], who: str, words: list[str]) -> None:
        if who in lines:
            raise ValueError(f"{who} is there twice")
        if who.startswith("@"):
            if who[1:] not in self.rights.groups:
                raise ValueError(f"there is no group {who[1:]}")
        elif who not in (EVERYBODY, ANONYMOUS):
            check_user(who)
        if not words:
            raise ValueError(f"what may {who} do? {', '.join(_WORDS)}")
        lines[who] = Right.NONE
        for word in words:
            if word not in _WORDS:
                raise ValueError(f"{word} is no right; there are {', '.join(_WORDS)}")
            lines[who] |= _WORDS[word]
