"""
How this room keeps small facts: SQLite files with one table and short transactions.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from twisted.logger import Logger

from filesrv.wire.errors import FilesrvError, Internal, NoSpace

__all__ = ["Database"]

_log = Logger()


class Database:
    """One SQLite file."""

    def __init__(self, path: str, table: str, schema: str, version: int) -> None:
        """
        @param path: of the file, or C{":memory:"}.
        @param schema: the statement that makes C{table}.
        @param version: of the schema; a file of another version is begun anew.
        @raise sqlite3.Error: it cannot be opened.
        """
        if path != ":memory:":  # Tokens are in there, which are as good as passwords.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._db = sqlite3.connect(path, isolation_level=None)
        try:
            self._prepare(table, schema, version)
        except sqlite3.Error:
            self._db.close()
            raise

    def _prepare(self, table: str, schema: str, version: int) -> None:
        # With a write-ahead log a commit is one write and no flush.  A power cut may lose
        # the last rows, never the file.
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        if self._db.execute("PRAGMA user_version").fetchone()[0] != version:
            self._db.execute(f"DROP TABLE IF EXISTS {table}")
            self._db.execute(schema)
            self._db.execute(f"PRAGMA user_version={version}")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """
        What a SELECT finds.

        @raise FilesrvError: the disk failed.
        """
        with _refusals():
            return self._db.execute(query, values).fetchall()

    def write(self, statement: str, *values: object, durable: bool = False) -> None:
        """
        Change something.

        @param durable: return only when it is on disk.
        @raise FilesrvError: the disk failed, or is full.
        """
        with _refusals():
            if durable:
                self._db.execute("PRAGMA synchronous=FULL")
            try:
                self._db.execute(statement, values)
            finally:
                if durable:
                    self._db.execute("PRAGMA synchronous=NORMAL")


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        _log.error("database: {error}", error=error)
        # Python 3.10 does not tell SQLite's codes.
        full = "full" in str(error)
        refusal: FilesrvError = NoSpace() if full else Internal()
        raise refusal from error
