"""Calls of the system that fail when they are told to, under the real store."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from filesrv.store.database import Database
from tests.support.memory import Server

__all__ = ["SHORT", "Calls"]

#: In the place of an errno: a write takes half of what it is given.  Alone it is no failure.
SHORT = -1

#: The modules whose calls are watched, by the name C{os} that each of them has.
_MODULES = (
    "filesrv.store.failures",
    "filesrv.store.partials",
    "filesrv.store.root",
    "filesrv.store.space",
    "filesrv.server.downloads",
    "filesrv.server.hashing",
    "filesrv.transfer.sending",
)

_WATCHED = frozenset(
    {
        *("open", "close", "dup", "stat", "fstat", "fstatvfs", "scandir", "pread", "pwrite"),
        *("ftruncate", "rename", "link", "unlink", "mkdir", "rmdir", "utime", "fsync"),
        *("fdatasync", "posix_fadvise", "fallocate"),
    }
)

#: What SQLite makes of an errno.
_OF_SQLITE = {
    errno.ENOSPC: "database or disk is full",
    errno.EDQUOT: "database or disk is full",
    errno.EROFS: "attempt to write a readonly database",
    errno.EMFILE: "unable to open database file",
}


def _nothing(descriptor: int) -> None:
    pass


class Calls:
    """
    What is called of C{os} and of SQLite.

    @ivar made: the names of the calls that were made since L{fail}.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
        self._fail_at, self._errno = 0, 0
        self.made: list[str] = []
        for module in _MODULES:
            monkeypatch.setattr(f"{module}.os", self)
        for database in (server.shelves.registry._db, server.shelves.hashes.known._db):
            self._watch(monkeypatch, database)
        space = server.shelves.uploads.partials.space
        if space._fallocate is not None:
            monkeypatch.setattr(space, "_fallocate", self._fallocate(space._fallocate))

    def fail(self, at: int, number: int) -> None:
        """
        From now on count anew.

        @param at: which call shall fail, from 1; 0 for none.
        @param number: its errno, or L{SHORT}.
        """
        self._fail_at, self._errno = at, number
        self.made.clear()

    @property
    def failed(self) -> str | None:
        """The call that failed, if one did."""
        return self.made[self._fail_at - 1] if 0 < self._fail_at <= len(self.made) else None

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self._watched(name, real) if name in _WATCHED else real

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        if name in ("fsync", "fdatasync"):
            real = _nothing  # They take long, and nobody pulls the plug here.

        def call(*arguments: Any, **named: Any) -> Any:
            if not self._now(name):
                return real(*arguments, **named)
            if self._errno == SHORT:
                if name != "pwrite":
                    return real(*arguments, **named)
                descriptor, data, offset = arguments
                return real(descriptor, data[: max(1, len(data) // 2)], offset)
            if name == "close":
                real(*arguments)  # It is closed whatever is said.
            raise OSError(self._errno, os.strerror(self._errno), "/a/path/of/the/server")

        return call

    def _fallocate(self, real: Callable[..., int]) -> Callable[..., int]:
        def call(*arguments: int) -> int:
            if self._now("fallocate") and self._errno != SHORT:
                return self._errno
            return real(*arguments)

        return call

    def _watch(self, monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
        real = database._db

        class Watching:
            def execute(_, statement: str, *values: Any) -> sqlite3.Cursor:  # noqa: N805
                name = statement.partition(" ")[0]
                if name != "PRAGMA" and self._now(f"sqlite {name}") and self._errno != SHORT:
                    raise sqlite3.OperationalError(_OF_SQLITE.get(self._errno, "disk I/O error"))
                return real.execute(statement, *values)

            def close(_) -> None:  # noqa: N805
                real.close()

        monkeypatch.setattr(database, "_db", Watching())

    def _now(self, name: str) -> bool:
        self.made.append(name)
        return len(self.made) == self._fail_at
