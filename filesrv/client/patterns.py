"""
Which files of a server a name, a directory or a shell pattern means, and where each of
them goes here.

What the server lists is believed only as far as it lies where it was asked for: names
that lead elsewhere end the run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from filesrv.client.answers import Entry
from filesrv.client.connection import Connection
from filesrv.wire.errors import BadName, NotFound
from filesrv.wire.grammar import format_word
from filesrv.wire.names import check_directory, check_name
from filesrv.wire.replies import MalformedReply

__all__ = ["Wanted", "has_wildcard", "wanted"]

_WILDCARD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Wanted:
    """
    One file to fetch.

    @ivar size: bytes, if the server has said so.
    @ivar parts: where it goes, below the directory that the user named.
    """

    name: str
    size: int | None
    parts: tuple[str, ...]


def has_wildcard(name: str) -> bool:
    """Whether a name may be a pattern: it has C{*}, C{?} or C{[}."""
    return bool(_WILDCARD.search(name))


async def wanted(connection: Connection, asked: str, recursive: bool) -> list[Wanted]:
    """
    The files that C{asked} means: the one of that very name; or with C{recursive} all
    of that directory; or what matches it as a pattern, where C{**} stands for any
    number of directories.

    @raise NotFound: none.
    @raise MalformedReply: the server lists what was not asked for.
    """
    if has_wildcard(asked):
        literal = await _literal(connection, asked)
        if literal is not None:
            return [literal]
        found = await _Listing(connection).matching(asked, recursive)
    elif recursive:
        found = await _Listing(connection).below_name(asked)
    else:
        check_name(asked)
        return [Wanted(asked, None, (asked.rpartition("/")[2],))]
    if not found:
        raise NotFound(f"there is no file {format_word(asked)}")
    return found


async def _literal(connection: Connection, asked: str) -> Wanted | None:
    """A file may be called C{[1].txt}."""
    try:
        status = await connection.stat(asked)
    except (NotFound, BadName):
        return None
    if not status.version:
        return None
    return Wanted(asked, status.size, (asked.rpartition("/")[2],))


class _Listing:
    """The server's directories, each asked for once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, Sequence[Entry]] = {}

    async def below_name(self, asked: str) -> list[Wanted]:
        """A file, or a directory with all that is in it."""
        directory = "" if asked in ("", ".", "/") else check_directory(asked.rstrip("/"))
        entries = await self._connection.list(directory)
        if directory and [entry.name for entry in entries] == [directory]:
            entry = entries[0]
            return [Wanted(entry.name, entry.size, (directory.rpartition("/")[2],))]
        self._keep(directory, entries)
        base = directory.rpartition("/")[0]
        return _wanted(await self._all_below(directory), base)

    async def matching(self, pattern: str, recursive: bool) -> list[Wanted]:
        """What matches a pattern; directories only to be fetched whole."""
        parts = pattern.strip("/").split("/")
        fixed = 0
        while fixed < len(parts) - 1 and not has_wildcard(parts[fixed]):
            fixed += 1
        base = "/".join(parts[:fixed])
        found: dict[str, Entry] = {}
        for entry in await self._match(check_directory(base), parts[fixed:]):
            if not entry.is_directory:
                found[entry.name] = entry
            elif recursive:
                below = await self._all_below(entry.name.removesuffix("/"))
                found.update((each.name, each) for each in below)
        return _wanted(found.values(), base)

    async def _match(self, directory: str, parts: list[str]) -> list[Entry]:
        first, *rest = parts
        if first == "**":
            found = await self._match(directory, rest or ["*"])
            for entry in await self._directories(directory, "*"):
                found += await self._match(entry, parts)
            return found
        if not rest:
            entries = await self._entries(directory)
            return [entry for entry in entries if _fits(_leaf(entry), first)]
        found = []
        for below in await self._directories(directory, first):
            found += await self._match(below, rest)
        return found

    async def _directories(self, directory: str, part: str) -> list[str]:
        return [
            entry.name.removesuffix("/")
            for entry in await self._entries(directory)
            if entry.is_directory and _fits(_leaf(entry), part)
        ]

    async def _all_below(self, directory: str) -> list[Entry]:
        found: list[Entry] = []
        for entry in await self._entries(directory):
            if entry.is_directory:
                found += await self._all_below(entry.name.removesuffix("/"))
            else:
                found.append(entry)
        return found

    async def _entries(self, directory: str) -> Sequence[Entry]:
        if directory not in self._known:
            try:
                self._keep(directory, await self._connection.list(directory))
            except NotFound:  # Removed since it was listed, or never there.
                self._known[directory] = []
        return self._known[directory]

    def _keep(self, directory: str, entries: Sequence[Entry]) -> None:
        for entry in entries:
            above, _, leaf = entry.name.removesuffix("/").rpartition("/")
            if above != directory or not leaf:
                raise MalformedReply("the server lists files that were not asked for")
        self._known[directory] = entries


def _leaf(entry: Entry) -> str:
    return entry.name.removesuffix("/").rpartition("/")[2]


def _fits(name: str, pattern: str) -> bool:
    """As in a shell, hidden files are only for patterns that begin with a dot."""
    if name.startswith(".") and not pattern.startswith("."):
        return False
    return fnmatchcase(name, pattern)


def _wanted(entries: Iterable[Entry], base: str) -> list[Wanted]:
    above = f"{base}/" if base else ""
    return [
        Wanted(entry.name, entry.size, tuple(entry.name.removeprefix(above).split("/")))
        for entry in sorted(entries, key=lambda entry: entry.name)
    ]
