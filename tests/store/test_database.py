"""Small facts on disk: durable where that is asked, and refusals where the disk fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from filesrv.store.database import Database
from filesrv.store.known import KEEP_UNUSED, REMEMBERED, WORTH_KEEPING, KnownDigests
from filesrv.store.space import Space
from filesrv.wire.errors import Internal, NoSpace

SCHEMA = "CREATE TABLE facts (fact TEXT)"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(str(tmp_path / "db"), "facts", SCHEMA, 3)
    yield made
    made.close()


class TestDatabase:
    def test_what_is_written_is_found_also_by_another(
        self, database: Database, tmp_path: Path
    ) -> None:
        database.write("INSERT INTO facts VALUES (?)", "one")
        database.write("INSERT INTO facts VALUES (?)", "two", durable=True)
        other = Database(str(tmp_path / "db"), "facts", SCHEMA, 3)

        assert other.rows("SELECT fact FROM facts ORDER BY fact") == [("one",), ("two",)]
        other.close()

    def test_a_durable_write_waits_for_the_disk_and_the_next_does_not(
        self, database: Database
    ) -> None:
        database.write("INSERT INTO facts VALUES (?)", "one", durable=True)

        assert database.rows("PRAGMA synchronous") == [(1,)]

    def test_a_failure_is_the_servers_and_a_full_disk_says_so(self, database: Database) -> None:
        with pytest.raises(Internal) as refused:
            database.write("INSERT INTO nonsense VALUES (1)")
        assert "nonsense" not in refused.value.words
        database.rows("PRAGMA max_page_count=2")
        with pytest.raises(NoSpace):
            database.write("INSERT INTO facts VALUES (?)", "x" * 40_000)
        with pytest.raises(Internal):
            database.rows("SELECT nonsense")


class TestKnownDigests:
    BIG = WORTH_KEEPING

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    def _open(self, tmp_path: Path, clock: Clock) -> KnownDigests:
        return KnownDigests(str(tmp_path / "known"), clock)

    def test_those_of_large_files_outlive_the_process(self, tmp_path: Path, clock: Clock) -> None:
        known = self._open(tmp_path, clock)
        known.keep("small", self.BIG - 1, b"s" * 32)
        known.keep("big", self.BIG, b"b" * 32)
        assert (known.find("small", self.BIG - 1), known.find("big", self.BIG)) == (
            b"s" * 32,
            b"b" * 32,
        )
        known.close()

        known = self._open(tmp_path, clock)
        assert (known.find("small", self.BIG - 1), known.find("big", self.BIG)) == (None, b"b" * 32)
        known.close()

    def test_what_nobody_asks_for_is_forgotten_in_time(self, tmp_path: Path, clock: Clock) -> None:
        known = self._open(tmp_path, clock)
        for version in ("asked", "not"):
            known.keep(version, self.BIG, b"d" * 32)
        known.close()
        clock.advance(KEEP_UNUSED)
        known = self._open(tmp_path, clock)
        known.find("asked", self.BIG)
        clock.advance(1)
        known.tidy()
        known.close()

        known = self._open(tmp_path, clock)
        assert (known.find("asked", self.BIG), known.find("not", self.BIG)) == (b"d" * 32, None)
        known.close()

    def test_memory_holds_so_many_and_no_more(self, tmp_path: Path, clock: Clock) -> None:
        known = self._open(tmp_path, clock)
        for number in range(REMEMBERED + 1):
            known.keep(str(number), 1, b"d" * 32)

        assert known.find("0", 1) is None
        assert known.find("1", 1) == b"d" * 32
        known.close()


class TestSpace:
    def test_what_cannot_fit_is_refused_with_how_much_is_missing(self, tmp_path: Path) -> None:
        directory = os.open(tmp_path, os.O_RDONLY)
        file = os.open(tmp_path / "f", os.O_RDWR | os.O_CREAT)
        found = os.fstatvfs(directory)
        free = found.f_bavail * found.f_frsize
        with pytest.raises(NoSpace) as refused:
            Space(directory).reserve(file, 0, free + 10 * 2**30)

        assert int(refused.value.fields["missing"]) > 5 * 2**30
        os.close(file)
        os.close(directory)

    def test_what_is_reserved_does_not_look_arrived(self, tmp_path: Path) -> None:
        directory = os.open(tmp_path, os.O_RDONLY)
        file = os.open(tmp_path / "f", os.O_RDWR | os.O_CREAT)
        space = Space(directory)
        for length in (0, 1, 300_000, 1 << 20):
            space.reserve(file, 0, length)

        assert os.fstat(file).st_size == 0
        os.close(file)
        os.close(directory)
