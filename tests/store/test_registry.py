"""The resume registry: who has what unfinished, and who works on it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from filesrv.store.registry import Claim, Direction, Registry, Unfinished, boot_id
from filesrv.wire.endings import Ending

UP, DOWN = Direction.UPLOAD, Direction.DOWNLOAD
KEEP = 100.0


def nothing() -> None:
    """Nobody minds."""


def row(
    client: str = "ann", name: str = "f", direction: Direction = UP, id: str = "1"
) -> Unfinished:
    return Unfinished(client, name, direction, id, 1000)


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.advance(1000)
    return clock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "registry.sqlite"


@pytest.fixture
def registry(path: Path, clock: Clock) -> Iterator[Registry]:
    made = Registry(str(path), clock, KEEP)
    yield made
    made.close()


def test_a_claim_writes_nothing_until_it_is_recorded(registry: Registry) -> None:
    claim = registry.claim(row(), nothing)
    assert registry.find("ann", "f", UP) is None
    assert registry.active("ann", "f", UP) is claim
    registry.record(claim)

    found = registry.find("ann", "f", UP)
    assert found == row()._replace(touched=1000.0, boot=boot_id())


def test_client_name_and_direction_make_the_key(registry: Registry) -> None:
    rows = [
        row("ann", "f", UP, "1"),
        row("bob", "f", UP, "2"),
        row("ann", "g", UP, "3"),
        row("ann", "f", DOWN, "4"),
    ]
    for each in rows:
        registry.release(registry.claim(each, nothing), Ending.RESET)

    for each in rows:
        found = registry.find(*each.key)
        assert found is not None
        assert found.id == each.id
    registry.forget(rows[0])
    assert registry.find(*rows[0].key) is None
    assert [each.id for each in registry.of_client("ann")] == ["4", "3"]
    assert [each.id for each in registry.of_client("bob")] == ["2"]
    assert len(registry.all()) == 3


def test_a_release_keeps_how_it_ended_and_how_far_it_was(registry: Registry, clock: Clock) -> None:
    claim = registry.claim(row(direction=DOWN), nothing)
    clock.advance(5)
    registry.release(claim, Ending.STALLED, delivered=400, version="v1")

    found = registry.find("ann", "f", DOWN)
    assert found is not None
    assert (found.ended, found.delivered, found.touched, found.version) == (
        Ending.STALLED,
        400,
        1005.0,
        "v1",
    )
    assert registry.active("ann", "f", DOWN) is None


def test_the_second_end_of_a_claim_does_nothing(registry: Registry) -> None:
    claim = registry.claim(row(), nothing)
    registry.finish(claim)
    registry.release(claim, Ending.RESET)
    registry.record(claim)
    assert registry.all() == []

    claim = registry.claim(row(), nothing)
    registry.release(claim, Ending.CLOSED)
    registry.finish(claim)
    registry.release(claim, Ending.RESET)
    found = registry.find("ann", "f", UP)
    assert found is not None
    assert found.ended is Ending.CLOSED


def test_a_claim_that_lost_its_right_changes_nothing(registry: Registry) -> None:
    old = registry.claim(row(id="old"), nothing)
    new = registry.claim(row(id="new"), nothing)
    registry.record(new)
    for late in (
        lambda: registry.record(old),
        lambda: registry.release(old, Ending.RESET),
        lambda: registry.finish(old),
    ):
        late()
        found = registry.find("ann", "f", UP)
        assert found is not None
        assert (found.id, found.ended) == ("new", None)
    assert registry.active("ann", "f", UP) is new


def test_taking_over_makes_the_worker_let_go_before_it_returns(registry: Registry) -> None:
    told: list[Claim | None] = []
    claim = registry.claim(row(), lambda: told.append(registry.active("ann", "f", UP)))
    registry.take_over("ann", "f", UP)

    assert told == [claim]
    assert registry.active("ann", "f", UP) is None
    found = registry.find("ann", "f", UP)
    assert found is not None
    assert found.ended is Ending.TAKEN_OVER
    registry.take_over("ann", "f", UP)
    assert told == [claim]


def test_a_worker_that_ends_it_by_itself_when_taken_over_has_its_say(registry: Registry) -> None:
    claim = registry.claim(row(), lambda: registry.finish(claim))
    registry.take_over("ann", "f", UP)

    assert registry.all() == []


def test_nobody_else_is_taken_over(registry: Registry) -> None:
    told: list[str] = []
    registry.claim(row("bob"), lambda: told.append("bob"))
    registry.claim(row(name="g"), lambda: told.append("g"))
    registry.claim(row(direction=DOWN), lambda: told.append("down"))
    registry.take_over("ann", "f", UP)

    assert told == []


def test_what_is_going_on_is_listed_once_with_what_broke(registry: Registry, clock: Clock) -> None:
    registry.release(registry.claim(row(name="broken", id="1"), nothing), Ending.RESET)
    registry.release(registry.claim(row(name="again", id="2"), nothing), Ending.RESET)
    clock.advance(1)
    registry.claim(row(name="again", id="3"), nothing)
    registry.claim(row(name="new", id="4"), nothing)

    listed = registry.of_client("ann")

    assert [(each.name, each.id) for each in listed] == [
        ("broken", "1"),
        ("again", "3"),
        ("new", "4"),
    ]


class TestExpiry:
    def test_by_the_clock_and_not_a_moment_sooner(self, registry: Registry, clock: Clock) -> None:
        registry.release(registry.claim(row(), nothing), Ending.RESET)
        [found] = registry.all()
        assert registry.expires(found) == 1100.0
        clock.advance(KEEP - 0.5)
        assert registry.expired() == []
        clock.advance(0.5)

        assert registry.expired() == [found]

    def test_never_while_somebody_works_on_it(self, registry: Registry, clock: Clock) -> None:
        registry.release(registry.claim(row(), nothing), Ending.RESET)
        claim = registry.claim(row(), nothing)
        clock.advance(10 * KEEP)
        assert registry.expired() == []
        registry.release(claim, Ending.RESET)
        assert registry.expired() == []
        clock.advance(KEEP)

        assert len(registry.expired()) == 1


class TestTheFile:
    def test_rows_outlive_it_and_claims_do_not(
        self, registry: Registry, path: Path, clock: Clock
    ) -> None:
        full = row()._replace(exclusive=True, modified=-(2**62), version="v", delivered=7)
        registry.record(registry.claim(full, nothing))
        registry.release(registry.claim(row("bob", id="2"), nothing), Ending.DEAD_KEEPALIVE)
        before = registry.all()
        other = Registry(str(path), clock, KEEP)

        assert other.all() == before
        assert other.active("ann", "f", UP) is None
        kept = other.find("ann", "f", UP)
        assert kept is not None
        assert (kept.exclusive, kept.modified) == (True, -(2**62))
        other.close()

    def test_names_of_all_kinds_come_back_as_they_were(self, registry: Registry) -> None:
        for name in ("ünï/文件", "quote'\"", "; DROP TABLE transfers", "%", "a\\b", "x" * 1024):
            registry.record(registry.claim(row(name=name, id=name), nothing))
            found = registry.find("ann", name, UP)
            assert found is not None
            assert found.name == name

    def test_one_of_another_version_is_begun_anew(
        self, registry: Registry, path: Path, clock: Clock
    ) -> None:
        registry.record(registry.claim(row(), nothing))
        registry.close()
        db = sqlite3.connect(path)
        db.execute("PRAGMA user_version=77")
        db.close()

        other = Registry(str(path), clock, KEEP)
        assert other.all() == []
        other.record(other.claim(row(), nothing))
        other.close()

    def test_one_that_is_no_database_is_said_to_be_none(self, path: Path, clock: Clock) -> None:
        path.write_bytes(b"not at all a database" * 1000)
        with pytest.raises(sqlite3.Error):
            Registry(str(path), clock, KEEP)

    def test_in_memory_it_works_as_well(self, clock: Clock) -> None:
        registry = Registry(":memory:", clock, KEEP)
        registry.record(registry.claim(row(), nothing))
        assert len(registry.all()) == 1
        registry.close()


def test_this_boot_of_the_machine_has_a_name() -> None:
    assert boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
