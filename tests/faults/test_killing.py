"""
A daemon that is killed at any moment, and what must be there when it starts again.

``pytest tests/faults --moments 500`` kills it so many times in each of these tests;
``--seed`` chooses other moments.  With the same seed they are the same, but for those that
a clock decides.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from threading import Timer

import pytest

from filesrv.transfer.digest import BlockDigests
from tests.faults.author import Author, World
from tests.faults.lives import Connection, Gone, Life, Lives
from tests.faults.tally import Tally
from tests.support.memory import Server

#: Moments of each test unless told otherwise.
FEW = 10

#: Changes after which a daemon that is still alive is killed at rest.
CHANGES = 12


@pytest.fixture
def moments(request: pytest.FixtureRequest) -> int:
    count = request.config.getoption("--moments", default=None)
    return FEW if count is None else int(count)


@pytest.fixture
def random(request: pytest.FixtureRequest) -> Random:
    return Random(request.config.getoption("--seed", default=None) or 20_260)


def rows(lives: Lives) -> dict[str, tuple[str, int]]:
    """The registry, read behind the daemon's back: names and sizes by partial file."""
    path = lives.root / ".filesrv" / "registry.sqlite"
    with closing(sqlite3.connect(path)) as db:
        found = db.execute("SELECT id, name, size FROM transfers WHERE direction='upload'")
        return {id: (name, size) for id, name, size in found}


def check(lives: Lives, author: Author, random: Random, tally: Tally) -> None:
    """Start a daemon on what the last one left, and hold it against what is known."""
    life = lives.start()
    assert life is not None
    quiet = life.descriptors()
    check_published(lives.files, author, tally)
    connection = Connection(life)
    pending = author.pending(connection)
    check_unfinished(lives, pending, author)
    tally.moments += 1
    tally.unfinished += len(pending)
    for name, (_, size) in pending.items():
        if random.random() < 0.5:
            author.finish(connection, name, size)
    assert lives.files == author.world
    for name, content in author.world.items():
        if random.random() < 0.3:
            assert fetched(connection, name) == content
            digests = BlockDigests()
            digests.update(content)
            answer = connection.ask(f'HASH "{name}" blake3-4m')
            assert answer == f"OK blake3-4m={digests.hexdigest()} size={len(content)}"
    unfinished = len(author.pending(connection))
    connection.close()
    nothing_left(lives, life, quiet, unfinished)
    lives.kill()


def check_published(left: World, author: Author, tally: Tally) -> None:
    mixed = [name for name, content in left.items() if author.contents[len(content)] != content]
    tally.mixed += len(mixed)
    assert not mixed
    tally.lost += left not in author.worlds
    assert left in author.worlds, (left.keys(), [world.keys() for world in author.worlds])
    author.worlds = [left]


def check_unfinished(lives: Lives, pending: dict[str, tuple[int, int]], author: Author) -> None:
    partials, registered = lives.partials, rows(lives)
    assert partials.keys() == registered.keys()
    sizes = {name: size for name, (_, size) in pending.items()}
    assert dict(registered.values()) == sizes
    for name, size in list(author.whole.items()):
        if author.world.get(name) == author.contents[size]:
            del author.whole[name]  # Its COMMIT was performed, and not answered any more.
        else:
            assert pending.get(name) == (size, size), "it waits for its COMMIT"
    for id, (name, size) in registered.items():
        held = partials[id]
        assert len(held) == pending[name][0]
        assert held == author.contents[size][: len(held)], "what is held was sent"


def fetched(connection: Connection, name: str) -> bytes:
    reply = connection.ask(f'DOWNLOAD "{name}"')
    length = int(reply.partition("length=")[2].split()[0])
    content = connection.read(length)
    assert connection.answer().startswith("OK sent=")
    return content


def nothing_left(lives: Lives, life: Life, quiet: list[str], unfinished: int) -> None:
    """No partial file, row or open file but those of what is unfinished."""
    place = lives.root / ".filesrv" / "partial"
    assert len(rows(lives)) == unfinished
    names = {path.name.removesuffix(".blocks") for path in place.iterdir()}
    assert names == rows(lives).keys()
    files = [place for place in life.descriptors() if place.startswith(str(lives.root))]
    # The directory used last is held for some seconds (filesrv/store/walk.py).
    files = [place for place in files if place in quiet or not os.path.isdir(place)]
    assert files == [place for place in quiet if place.startswith(str(lives.root))]


@pytest.fixture
def author(random: Random, lives: Lives, tally: Tally) -> Iterator[Author]:
    made = Author(random)
    yield made
    tally.acknowledged += made.acknowledged
    assert "Traceback" not in lives.log, lives.log


def test_killed_between_or_within_any_two_calls_that_change_the_disk(
    lives: Lives, author: Author, random: Random, moments: int, tally: Tally
) -> None:
    for _ in range(moments):
        # A life has 90 to 250 of these calls, those of its start among them.
        at, how = random.randint(1, 120), random.choice(("before", "after", "torn"))
        life = lives.start(at, how)
        if life is not None:
            tally.at_work += dies(author, life)
            life.kill()
            lives.wait_for_end()
        check(lives, author, random, tally)
    assert tally.at_work


def test_killed_while_any_byte_of_a_payload_is_on_its_way(
    lives: Lives, author: Author, random: Random, moments: int, tally: Tally
) -> None:
    for _ in range(moments):
        life = lives.start()
        assert life is not None
        kill_after(author, life, random.randint(0, 4_000_000))
        tally.at_work += dies(author, life)
        author.before_bytes = lambda length: None
        life.kill()
        lives.wait_for_end()
        check(lives, author, random, tally)


def dies(author: Author, life: Life) -> bool:
    """Let things be changed; whether the daemon died of it."""
    try:
        author.live(lambda: Connection(life), CHANGES)
    except Gone:
        return True
    return False


def kill_after(author: Author, life: Life, left: int) -> None:
    """Kill the daemon with the bytes on their way of which so many were sent before."""

    def count(length: int) -> None:
        nonlocal left
        left -= length
        if left < 0:
            life.kill()

    author.before_bytes = count


def test_killed_at_any_time(
    lives: Lives, author: Author, random: Random, moments: int, tally: Tally
) -> None:
    for _ in range(moments):
        life = lives.start()
        assert life is not None
        timer = Timer(random.uniform(0, 0.15), life.kill)
        timer.start()
        while not dies(author, life):
            pass
        tally.at_work += 1
        timer.join()
        lives.wait_for_end()
        check(lives, author, random, tally)


class GoneInCommit(Gone):
    """After all bytes were acknowledged."""


Work = Callable[[Connection], None]


def put(content: bytes, name: str = "new", options: str = "") -> Work:
    def work(connection: Connection) -> None:
        connection.ask(f"UPLOAD {name} {len(content)}{options}")
        connection.tell(content)
        assert connection.answer().startswith("OK ")

    return work


def commit(content: bytes) -> Work:
    digests = BlockDigests()
    digests.update(content)

    def work(connection: Connection) -> None:
        put(content, options=" commit=ask")(connection)
        try:
            answer = connection.ask(f"COMMIT new blake3-4m={digests.hexdigest()}")
        except Gone:
            raise GoneInCommit from None
        assert answer.startswith("OK ")

    return work


def ask(line: str) -> Work:
    def work(connection: Connection) -> None:
        assert connection.ask(line) == "OK"

    return work


OLD, OTHER = b"old" * 1000, b"other" * 500
NEW = Random(1).randbytes(400_000)
BEFORE: World = {"dir/old": OLD, "other": OTHER}

#: What is done, and what is published when it was.
DEEDS: dict[str, tuple[Work, World]] = {
    "upload": (put(NEW), BEFORE | {"new": NEW}),
    "small": (put(NEW[:999]), BEFORE | {"new": NEW[:999]}),
    "exclusive": (put(NEW, options=" if-absent=yes"), BEFORE | {"new": NEW}),
    "commit": (commit(NEW), BEFORE | {"new": NEW}),
    "overwrite": (put(NEW, "dir/old"), BEFORE | {"dir/old": NEW}),
    "rename": (ask("RENAME dir/old some/where/new"), {"some/where/new": OLD, "other": OTHER}),
    "rename over": (ask("RENAME dir/old other"), {"other": OLD}),
    "delete": (ask("DELETE dir/old"), {"other": OTHER}),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_killed_at_each_call_of_it_a_deed_is_done_wholly_or_not_at_all(
    lives: Lives, random: Random, request: pytest.FixtureRequest, deed: str, tally: Tally
) -> None:
    exhaustively = request.config.getoption("--moments", default=None) is not None
    for how in ("before", "after", "torn"):
        # The first calls are those of the start, which the other tests have often enough.
        at = 1 if exhaustively else random.randint(10, 60)
        while dies_and_is_found_right(lives, deed, (at, how)) and exhaustively:
            tally.moments += 1
            tally.at_work += 1
            at += 1
            assert at < 500


def test_killed_after_the_link_that_published_it_an_upload_is_never_gone_on_with(
    tmp_path: Path,
) -> None:
    server = Server(tmp_path / "root")
    server.connect().says(b"UPLOAD f %d 0 commit=ask\n" % len(NEW), NEW)
    [partial] = (server.root / ".filesrv" / "partial").glob("*[!s]")
    (server.root / "f").hardlink_to(partial)
    server.kill()

    client = server.connect()
    assert server.held() == []
    assert client.asks(b"PENDING") == ["OK lines=0"]
    assert client.says(b"UPLOAD f %d 5\n" % len(NEW)).startswith(b"ERR BAD_OFFSET stored=0 ")
    assert server.files() == {"f": NEW}
    server.close()


def dies_and_is_found_right(lives: Lives, deed: str, moment: tuple[int, str]) -> bool:
    """Do it on a root as it was before; whether the daemon died of it."""
    work, after = DEEDS[deed]
    clean(lives)
    life = lives.start(*moment)
    died, acknowledged = life is None, False
    if life is not None:
        try:
            work(Connection(life))
        except Gone as error:
            died, acknowledged = True, isinstance(error, GoneInCommit)
        life.kill()
        lives.wait_for_end()
    life = lives.start()
    assert life is not None
    assert not acknowledged or lives.files == after or list(lives.partials.values()) == [NEW]
    assert lives.files in ([BEFORE, after] if died else [after]), (deed, moment)
    connection = Connection(life)
    for line in connection.lines("PENDING"):
        assert line.split()[1] in (str(len(held)) for held in lives.partials.values())
        size = int(line.split()[2])
        reply = connection.ask(f"UPLOAD {line.split()[4]} {size}")
        connection.tell(NEW[int(reply.partition("offset=")[2].split()[0]) :])
        assert connection.answer().startswith("OK stored="), (deed, moment)
        assert lives.files == after, (deed, moment)
    nothing_left(lives, life, life.descriptors(), 0)
    lives.kill()
    return died


def clean(lives: Lives) -> None:
    """A root that a daemon has served before."""
    for path in sorted(lives.root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    lives.root.mkdir(exist_ok=True)
    for name, content in BEFORE.items():
        (lives.root / name).parent.mkdir(exist_ok=True)
        (lives.root / name).write_bytes(content)
