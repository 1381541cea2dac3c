"""
The block digests of published files, known from their upload or computed once.

A file's version changes whenever its content may have, so a digest that is kept under
the version can be old, but never wrong.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress

from twisted.internet.interfaces import IReactorTime

from filesrv.store.database import Database
from filesrv.wire.errors import FilesrvError

__all__ = ["KnownDigests"]

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE blocks (
    version TEXT PRIMARY KEY,
    digests BLOB NOT NULL,
    used REAL NOT NULL
) WITHOUT ROWID
"""

#: Bytes of a file from which its digests are worth a row; a smaller one is read again
#: in milliseconds.
WORTH_KEEPING = 32 * 1024 * 1024

#: Seconds for which a row is kept that nobody asks for.
KEEP_UNUSED = 30 * 86400.0

#: Files whose digests are also kept in memory.
REMEMBERED = 4096


class KnownDigests:
    """Block digests by version."""

    def __init__(self, path: str, clock: IReactorTime) -> None:
        """
        @param path: of the SQLite file, or C{":memory:"}.
        @raise sqlite3.Error: it cannot be opened.
        """
        self._clock = clock
        self._db = Database(path, "blocks", _SCHEMA, _SCHEMA_VERSION)
        self._recent: OrderedDict[str, bytes] = OrderedDict()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def find(self, version: str, size: int) -> bytes | None:
        """The digests of a version's blocks, one after the other, if they are known."""
        if version in self._recent:
            self._recent.move_to_end(version)
            return self._recent[version]
        if size < WORTH_KEEPING:
            return None
        rows = self._db.rows("SELECT digests FROM blocks WHERE version=?", version)
        if not rows:
            return None
        digests = rows[0][0]
        assert isinstance(digests, bytes)
        with suppress(FilesrvError):  # A disk that takes no more can still be read.
            now = self._clock.seconds()
            self._db.write("UPDATE blocks SET used=? WHERE version=?", now, version)
        self._remember(version, digests)
        return digests

    def keep(self, version: str, size: int, digests: bytes) -> None:
        """Keep the digests of a version of C{size} bytes."""
        self._remember(version, digests)
        if size >= WORTH_KEEPING:
            self._db.write(
                "INSERT OR REPLACE INTO blocks (version, digests, used) VALUES (?, ?, ?)",
                version,
                digests,
                self._clock.seconds(),
            )

    def tidy(self) -> None:
        """Forget what nobody has asked for in a long time."""
        self._db.write("DELETE FROM blocks WHERE used<?", self._clock.seconds() - KEEP_UNUSED)

    def _remember(self, version: str, digests: bytes) -> None:
        self._recent[version] = digests
        self._recent.move_to_end(version)
        if len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)
