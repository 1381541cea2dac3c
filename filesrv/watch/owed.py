"""
Which runs of hooks are still owed: one SQLite file, so that a file whose name the daemon
gave just before it was killed has its hook run when it starts again.

A row is written before a file gets its name and is certain when it has it.  What is left
uncertain by a kill in between, the inode behind the name tells.
"""

from __future__ import annotations

import os
from dataclasses import astuple, dataclass, fields
from typing import Any

from filesrv.server.events import Stored
from filesrv.store.database import Database
from filesrv.store.root import Root
from filesrv.wire.errors import FilesrvError

__all__ = ["Owed", "Run"]

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE owed (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    digest TEXT NOT NULL,
    inode INTEGER NOT NULL,
    client TEXT NOT NULL,
    peer TEXT NOT NULL,
    stored REAL NOT NULL,
    attempts INTEGER NOT NULL,
    due REAL NOT NULL,
    certain INTEGER NOT NULL
)
"""


@dataclass(frozen=True)
class Run:
    """
    A hook that is to run for a file.

    @ivar id: of the event, the same at each attempt.
    @ivar stored: when the file got its name, in seconds since the epoch, like C{due}.
    @ivar attempts: how often it was begun.
    @ivar due: when it is to be begun next.
    """

    id: str
    name: str
    size: int
    digest: str
    inode: int
    client: str
    peer: str
    stored: float
    attempts: int
    due: float


_COLUMNS = ", ".join(field.name for field in fields(Run))


class Owed:
    """
    The runs that are owed.

    Each method may raise L{FilesrvError}: the disk failed, or is full.
    """

    def __init__(self, path: str) -> None:
        """
        @param path: of the SQLite file, or C{":memory:"}.
        @raise sqlite3.Error: it cannot be opened.
        """
        self._db = Database(path, "owed", _SCHEMA, _SCHEMA_VERSION)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def note(self, event: Stored, now: float, *, certain: bool, durable: bool = False) -> None:
        """
        Owe a run for a file.

        @param certain: whether it has its name.
        @param durable: return when that is on disk.
        """
        who = event.who
        run = Run(
            event.id,
            event.name,
            event.size,
            event.digest,
            event.inode,
            who.client,
            who.peer,
            now,
            0,
            now,
        )
        marks = ", ".join("?" for _ in fields(Run))
        self._db.write(
            f"INSERT OR REPLACE INTO owed ({_COLUMNS}, certain) VALUES ({marks}, ?)",
            *astuple(run),
            int(certain),
            durable=durable,
        )

    def settle(self, root: Root, before: float) -> None:
        """
        Find out what became of the files that were to get their names before a moment.
        """
        for run in self._runs("certain=0 AND stored<=?", before):
            if _inode(root, run.name) == run.inode:
                self._db.write("UPDATE owed SET certain=1 WHERE id=?", run.id)
            else:
                self.done(run.id)

    def all_due(self, now: float) -> None:
        """Begin each run again, also one that was begun, or was to wait."""
        self._db.write("UPDATE owed SET due=? WHERE due>?", now, now)

    def due(self, now: float, most: int) -> list[Run]:
        """The runs whose time has come, the oldest first."""
        return self._runs("certain=1 AND due<=? ORDER BY due, rowid LIMIT ?", now, most)

    def next_due(self) -> float | None:
        """When the next run is to be begun."""
        ((when,),) = self._db.rows("SELECT MIN(due) FROM owed WHERE certain=1")
        return None if when is None else float(str(when))

    def count(self) -> int:
        """How many runs are owed, those that run included."""
        ((count,),) = self._db.rows("SELECT COUNT(*) FROM owed WHERE certain=1")
        return int(str(count))

    def postpone(self, run: Run, attempts: int, due: float) -> None:
        """Another attempt is to be begun at C{due}."""
        self._db.write("UPDATE owed SET attempts=?, due=? WHERE id=?", attempts, due, run.id)

    def done(self, id: str) -> None:
        """Owe it no more."""
        self._db.write("DELETE FROM owed WHERE id=?", id)

    def _runs(self, condition: str, *values: object) -> list[Run]:
        found: list[Any] = self._db.rows(f"SELECT {_COLUMNS} FROM owed WHERE {condition}", *values)
        return [Run(*row) for row in found]


def _inode(root: Root, name: str) -> int | None:
    try:
        with root.open(name) as file:
            return os.fstat(file.descriptor).st_ino
    except FilesrvError:
        return None
