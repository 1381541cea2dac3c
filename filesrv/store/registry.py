"""
The resume registry: which transfers of which client are unfinished.

Its key is (client, name) and the direction.  It is one SQLite file with a row for each
unfinished transfer, written when a transfer begins, breaks and ends, and never for a
chunk in between: an upload's offset is the size of its partial file.  Who works on a
row right now is known in memory alone, because no connection outlives the process.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from twisted.internet.interfaces import IReactorTime

from filesrv.store.database import Database
from filesrv.wire.endings import Ending
from filesrv.wire.errors import FilesrvError

__all__ = ["Claim", "Direction", "Key", "Registry", "Unfinished", "boot_id"]

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
    boot TEXT NOT NULL,
    exclusive INTEGER NOT NULL,
    modified INTEGER,
    PRIMARY KEY (client, name, direction)
) WITHOUT ROWID
"""


class Direction(enum.Enum):
    """Which way the bytes go, seen from the client."""

    UPLOAD = "upload"
    DOWNLOAD = "download"

    __hash__ = object.__hash__  # Enum's own is Python, and each look at a key needs it.


#: Client, name, direction.
Key = tuple[str, str, Direction]


class Unfinished(NamedTuple):
    """
    One row.

    @ivar id: names the partial file of an upload.
    @ivar size: bytes of the whole file.
    @ivar version: of the file that is downloaded; of an upload, that of its partial
        file when this row was written.
    @ivar delivered: bytes that the client had of a download when it broke; of an upload,
        those that were on disk for certain, not only on their way there.
    @ivar touched: when it was last begun or broken, in seconds since the epoch.
    @ivar ended: how the last connection ended, L{None} if that is not known.
    @ivar boot: in which boot of the machine the row was written.
    @ivar exclusive: whether the upload may not replace a file.
    @ivar modified: the time for the uploaded file, in nanoseconds since the epoch.
    """

    client: str
    name: str
    direction: Direction
    id: str
    size: int
    version: str = ""
    delivered: int = 0
    touched: float = 0.0
    ended: Ending | None = None
    boot: str = ""
    exclusive: bool = False
    modified: int | None = None

    @property
    def key(self) -> Key:
        """What no two rows have in common."""
        return (self.client, self.name, self.direction)


_COLUMNS = ", ".join(Unfinished._fields)
_INSERT = (
    f"INSERT OR REPLACE INTO transfers ({_COLUMNS})"
    f" VALUES ({', '.join('?' for _ in Unfinished._fields)})"
)


@dataclass(eq=False)
class Claim:
    """
    The right to work on one transfer, until it is released or another connection of the
    same client takes it over.

    @ivar row: what is written of it.
    """

    row: Unfinished
    on_taken_over: Callable[[], None]


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
        self._claims: dict[Key, Claim] = {}
        self._db = Database(path, "transfers", _SCHEMA, _SCHEMA_VERSION)
        # Small transfers have no row, and there are many of them: none is asked for.
        self._recorded = {row.key for row in self.all()}

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def find(self, client: str, name: str, direction: Direction) -> Unfinished | None:
        """The row of a key, if there is one."""
        if (client, name, direction) not in self._recorded:
            return None
        rows = self._rows(
            "WHERE client=? AND name=? AND direction=?", client, name, direction.value
        )
        return rows[0] if rows else None

    def of_client(self, client: str) -> list[Unfinished]:
        """Every unfinished transfer of one client, the oldest first."""
        rows = {row.key: row for row in self._rows("WHERE client=?", client)}
        rows |= {key: claim.row for key, claim in self._claims.items() if key[0] == client}
        return sorted(rows.values(), key=lambda row: (row.touched, row.name))

    def all(self) -> list[Unfinished]:
        """Every row."""
        return self._rows("")

    def page(self, after: str, most: int) -> list[Unfinished]:
        """
        Some of all rows, in the order of their ids, from behind one on: who looks at all of
        them in pieces holds nobody up.
        """
        return self._rows("WHERE id>? ORDER BY id LIMIT ?", after, most)

    def with_id(self, beginning: str) -> list[Unfinished]:
        """The rows whose ids begin so; a few at most, where there are many."""
        return self._rows("WHERE substr(id, 1, ?)=? LIMIT 9", len(beginning), beginning)

    def expires(self, row: Unfinished) -> float:
        """When a row expires if nobody comes back, in seconds since the epoch."""
        return row.touched + self.keep

    def active(self, client: str, name: str, direction: Direction) -> Claim | None:
        """The claim of the connection that works on a transfer, if one does."""
        return self._claims.get((client, name, direction))

    def take_over(self, client: str, name: str, direction: Direction) -> None:
        """Make whoever works on the transfer let go of it before this returns."""
        claim = self.active(client, name, direction)
        if claim is not None:
            claim.on_taken_over()
            self.release(claim, Ending.TAKEN_OVER)

    def claim(self, row: Unfinished, on_taken_over: Callable[[], None]) -> Claim:
        """
        Work on a transfer that begins or goes on.

        Nothing is written yet (see L{record}), so that a small file costs no row.
        Whoever worked on it before and was not taken over goes on unregistered.
        """
        claim = Claim(row._replace(touched=self._clock.seconds()), on_taken_over)
        self._claims[row.key] = claim
        return claim

    def record(
        self,
        claim: Claim,
        *,
        version: str | None = None,
        delivered: int | None = None,
        durable: bool = False,
    ) -> None:
        """
        Write the row of a claim, so that it outlives this process.

        @param version: see L{Unfinished}; L{None} leaves it as it was, like C{delivered}.
        @param durable: and a power cut, too.
        @raise FilesrvError: the disk does not take it.
        """
        if self._claims.get(claim.row.key) is claim:
            self._write(claim, None, version, delivered, durable)

    def release(
        self,
        claim: Claim,
        ended: Ending,
        *,
        version: str | None = None,
        delivered: int | None = None,
        durable: bool = False,
    ) -> None:
        """Stop working on a transfer and keep its row.  A second call does nothing."""
        if self._unclaim(claim):
            # A disk too full for these few bytes keeps the row of the beginning.
            with suppress(FilesrvError):
                self._write(claim, ended, version, delivered, durable)

    def finish(self, claim: Claim) -> None:
        """
        Stop working on a transfer and forget it.  A second call does nothing.

        A disk that takes no change of the row fails nobody for that: without its partial
        file, it goes when the daemon starts anew, or expires.
        """
        if self._unclaim(claim):
            with suppress(FilesrvError):
                self.forget(claim.row)

    def leave(self, claim: Claim) -> None:
        """Stop working on a transfer; its row, if it has one, stays as it was."""
        self._unclaim(claim)

    def forget(self, row: Unfinished) -> None:
        """Remove the row of a transfer, if it has one."""
        if row.key not in self._recorded:
            return
        self._db.write(
            "DELETE FROM transfers WHERE client=? AND name=? AND direction=?",
            row.client,
            row.name,
            row.direction.value,
        )
        self._recorded.discard(row.key)

    def expired(self) -> list[Unfinished]:
        """The rows whose time is over and that nobody works on."""
        oldest = self._clock.seconds() - self.keep
        rows = self._rows("WHERE touched<=?", oldest)
        return [row for row in rows if row.key not in self._claims]

    def _unclaim(self, claim: Claim) -> bool:
        if self._claims.get(claim.row.key) is not claim:
            return False
        del self._claims[claim.row.key]
        return True

    def _write(
        self,
        claim: Claim,
        ended: Ending | None,
        version: str | None,
        delivered: int | None,
        durable: bool,
    ) -> None:
        row = claim.row = claim.row._replace(
            touched=self._clock.seconds(),
            ended=ended,
            boot=boot_id(),
            version=claim.row.version if version is None else version,
            delivered=claim.row.delivered if delivered is None else delivered,
        )
        plain = (value.value if isinstance(value, enum.Enum) else value for value in row)
        # Before the row is, so that one of which the disk has said no is looked for.
        self._recorded.add(row.key)
        self._db.write(_INSERT, *plain, durable=durable)

    def _rows(self, condition: str, *values: object) -> list[Unfinished]:
        return [
            _unfinished(*found)
            for found in self._db.rows(f"SELECT {_COLUMNS} FROM transfers {condition}", *values)
        ]


def _unfinished(*columns: Any) -> Unfinished:
    row = Unfinished(*columns)
    return row._replace(
        direction=Direction(row.direction),
        ended=None if row.ended is None else Ending(row.ended),
        exclusive=bool(row.exclusive),
    )


@cache
def boot_id() -> str:
    """
    Which boot of the machine this is, C{""} where the system does not tell (random(4)).
    """
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
