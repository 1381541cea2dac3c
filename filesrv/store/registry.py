"""
The resume registry: which transfers of which client are unfinished.

Its key is (client, name) and the direction.  It is one SQLite file with a row for each
unfinished transfer, written when a transfer begins, breaks and ends, and never for a
chunk in between: an upload's offset is the size of its partial file.  Who works on a
row right now is known in memory alone, because no connection outlives the process.
"""

from __future__ import annotations

import enum
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime

from filesrv.wire.endings import Ending

__all__ = ["Claim", "Direction", "Registry", "Unfinished"]

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE transfers (
    client TEXT NOT NULL,
    name TEXT NOT NULL,
    direction TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    version TEXT NOT NULL,
    delivered INTEGER NOT NULL,
    touched REAL NOT NULL,
    ended TEXT,
    PRIMARY KEY (client, name, direction)
) WITHOUT ROWID
"""
_COLUMNS = "client, name, direction, id, size, version, delivered, touched, ended"


class Direction(enum.Enum):
    """Which way the bytes go, seen from the client."""

    UPLOAD = "upload"
    DOWNLOAD = "download"


@dataclass(frozen=True)
class Unfinished:
    """
    One row.

    @ivar id: names the partial file of an upload.
    @ivar size: bytes of the whole file.
    @ivar version: of the file that is downloaded.
    @ivar delivered: bytes that the client had of a download when it broke.
    @ivar touched: when it was last begun or broken, in seconds since the epoch.
    @ivar ended: how the last connection ended, L{None} if that is not known.
    """

    client: str
    name: str
    direction: Direction
    id: str
    size: int
    version: str
    delivered: int
    touched: float
    ended: Ending | None


@dataclass(eq=False)
class Claim:
    """
    The right to work on one row, until it is released or another connection of the
    same client takes it over.

    @ivar row: as it was when the claim was made.
    """

    row: Unfinished
    on_taken_over: Callable[[], None]
    active: bool = True


class Registry:
    """
    @ivar keep: seconds after which an unfinished transfer that nobody works on expires.
    """

    def __init__(self, path: str, clock: IReactorTime, keep: float) -> None:
        """
        @param path: of the SQLite file, or C{":memory:"}.
        @raise sqlite3.Error: it cannot be opened.
        """
        self._clock = clock
        self.keep = keep
        self._claims: dict[tuple[str, str, Direction], Claim] = {}
        self._db = sqlite3.connect(path, isolation_level=None)
        # With a write-ahead log a commit is one write and no flush.  A power cut may
        # lose the last rows, never the file; what a row of an upload stood for is
        # then sent again.
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        if self._db.execute("PRAGMA user_version").fetchone()[0] != _SCHEMA_VERSION:
            self._db.execute("DROP TABLE IF EXISTS transfers")
            self._db.execute(_SCHEMA)
            self._db.execute(f"PRAGMA user_version={_SCHEMA_VERSION}")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def find(self, client: str, name: str, direction: Direction) -> Unfinished | None:
        """The row of a key, if there is one."""
        rows = self._rows(
            "WHERE client=? AND name=? AND direction=?", client, name, direction.value
        )
        return rows[0] if rows else None

    def of_client(self, client: str) -> list[Unfinished]:
        """Every unfinished transfer of one client, the oldest first."""
        return self._rows("WHERE client=? ORDER BY touched, name", client)

    def all(self) -> list[Unfinished]:
        """Every row."""
        return self._rows("")

    def expires(self, row: Unfinished) -> float:
        """When a row expires if nobody comes back, in seconds since the epoch."""
        return row.touched + self.keep

    def is_active(self, row: Unfinished) -> bool:
        """Whether a connection works on the row."""
        return (row.client, row.name, row.direction) in self._claims

    def take_over(self, client: str, name: str, direction: Direction) -> None:
        """Make whoever works on the row let go of it before this returns."""
        claim = self._claims.get((client, name, direction))
        if claim is not None:
            claim.on_taken_over()
            self.release(claim, Ending.TAKEN_OVER)

    def claim(
        self,
        client: str,
        name: str,
        direction: Direction,
        *,
        id: str,
        size: int,
        version: str = "",
        delivered: int = 0,
        on_taken_over: Callable[[], None],
    ) -> Claim:
        """
        Write the row of a transfer that begins or goes on, and work on it.

        Nobody may work on it already: see L{take_over}.
        """
        key = (client, name, direction)
        assert key not in self._claims, "taken over first"
        row = Unfinished(
            client, name, direction, id, size, version, delivered, self._clock.seconds(), None
        )
        self._db.execute(
            f"INSERT OR REPLACE INTO transfers ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)",
            (client, name, direction.value, id, size, version, delivered, row.touched, None),
        )
        claim = self._claims[key] = Claim(row, on_taken_over)
        return claim

    def release(self, claim: Claim, ended: Ending | None, delivered: int | None = None) -> None:
        """
        Stop working on a row and keep it.  A second call does nothing.

        @param delivered: bytes that the client of a download has now.
        """
        if not self._unclaim(claim):
            return
        self._db.execute(
            "UPDATE transfers SET touched=?, ended=?, delivered=coalesce(?, delivered) WHERE id=?",
            (self._clock.seconds(), ended and ended.value, delivered, claim.row.id),
        )

    def finish(self, claim: Claim) -> None:
        """Stop working on a row and forget it.  A second call does nothing."""
        if self._unclaim(claim):
            self.forget(claim.row)

    def forget(self, row: Unfinished) -> None:
        """Remove a row."""
        self._db.execute("DELETE FROM transfers WHERE id=?", (row.id,))

    def expired(self) -> list[Unfinished]:
        """The rows whose time is over and that nobody works on."""
        oldest = self._clock.seconds() - self.keep
        return [row for row in self._rows("WHERE touched<=?", oldest) if not self.is_active(row)]

    def _unclaim(self, claim: Claim) -> bool:
        was_active, claim.active = claim.active, False
        row = claim.row
        if was_active:
            del self._claims[row.client, row.name, row.direction]
        return was_active

    def _rows(self, condition: str, *values: object) -> list[Unfinished]:
        query = f"SELECT {_COLUMNS} FROM transfers {condition}"
        return [
            Unfinished(
                client,
                name,
                Direction(direction),
                id,
                size,
                version,
                delivered,
                touched,
                Ending(ended) if ended else None,
            )
            for client, name, direction, id, size, version, delivered, touched, ended in (
                self._db.execute(query, values)
            )
        ]
