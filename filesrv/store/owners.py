"""
Who published which file: what a quota by client is counted from.

It is written after the file has got its name.  A daemon that is killed just between the two
leaves a file that is nobody's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from filesrv.store.database import Database
from filesrv.wire.errors import FilesrvError

__all__ = ["Owned", "Owners"]

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE owners (
    name TEXT NOT NULL PRIMARY KEY,
    client TEXT NOT NULL,
    size INTEGER NOT NULL
) WITHOUT ROWID
"""

#: What is below a directory, whose name the first parameter is: 0 comes behind the slash.
_BELOW = "name > ?1 || '/' AND name < ?1 || '0'"


@dataclass(frozen=True)
class Owned:
    """One file."""

    name: str
    client: str
    size: int


class Owners:
    """The owners of all files that have one."""

    def __init__(self, path: str) -> None:
        """
        @param path: of the SQLite file.
        @raise sqlite3.Error: it cannot be opened.
        """
        self._db = Database(path, "owners", _SCHEMA, _SCHEMA_VERSION)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def all(self) -> Iterator[Owned]:
        """Every file that has an owner."""
        for name, client, size in self._db.rows("SELECT name, client, size FROM owners"):
            yield Owned(str(name), str(client), int(str(size)))

    def find(self, name: str) -> Owned | None:
        """The owner of a file, if it has one."""
        rows = self._db.rows("SELECT name, client, size FROM owners WHERE name=?", name)
        return Owned(name, str(rows[0][1]), int(str(rows[0][2]))) if rows else None

    # That a disk is too full for such a row fails nobody whose file is in its place.

    def keep(self, owned: Owned) -> None:
        """A file was published."""
        self._write(
            "INSERT OR REPLACE INTO owners VALUES (?, ?, ?)", owned.name, owned.client, owned.size
        )

    def forget(self, name: str) -> None:
        """A file is gone."""
        self._write("DELETE FROM owners WHERE name=?", name)

    def rename(self, old: str, new: str) -> None:
        """A file, or a directory with all that is in it, has another name."""
        self._write("UPDATE OR REPLACE owners SET name=? WHERE name=?", new, old)
        self._write(
            "UPDATE OR REPLACE owners SET name = ?2 || substr(name, length(?1) + 1)"
            f" WHERE {_BELOW}",
            old,
            new,
        )

    def _write(self, statement: str, *values: object) -> None:
        with suppress(FilesrvError):
            self._db.write(statement, *values)
