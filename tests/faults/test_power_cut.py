"""
The plug is pulled at any moment, and all that was not flushed is gone, or there in part.

``pytest tests/faults --moments 500`` pulls it so often.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from random import Random

import pytest

from filesrv.server import upload
from tests.faults.author import Author
from tests.faults.lives import TOKEN
from tests.faults.power import Disk
from tests.faults.tally import Tally
from tests.support.memory import Client, Server

#: Moments unless told otherwise, and ways in which a disk may look after each.
FEW = 12
WAYS = 3

#: Changes between two moments, more or less; each makes some 20 calls.
CHANGES = 3

MIB = 1024 * 1024


class Connection:
    """What L{Author} wants of a connection, with a server in memory."""

    def __init__(self, server: Server) -> None:
        self._client: Client = server.connect()
        self._received = b""
        self.ask(f"HELLO {TOKEN}")

    def tell(self, data: bytes) -> None:
        self._received += self._client.says(data)

    def answer(self) -> str:
        line, found, self._received = self._received.partition(b"\n")
        assert found, "no answer"
        return line.decode()

    def ask(self, line: str) -> str:
        self.tell(line.encode() + b"\n")
        return self.answer()

    def lines(self, line: str) -> list[str]:
        first = self.ask(line)
        return [self.answer() for _ in range(int(first.split()[1].removeprefix("lines=")))]

    def reset(self) -> None:
        self._client.reset()

    close = reset


@pytest.fixture
def random(request: pytest.FixtureRequest) -> Random:
    return Random(request.config.getoption("--seed", default=None) or 20_260)


@pytest.fixture(autouse=True)
def often_flushed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is flushed every 256 MiB is flushed every 6, so that files can be small."""
    monkeypatch.setattr(upload, "FLUSH_EVERY", 6 * MIB)


class Moments:
    """The moments at which the plug is pulled, while an author goes on as if it were not."""

    def __init__(self, place: Path, author: Author, disk: Disk, random: Random) -> None:
        self.cuts: list[tuple[Path, Author]] = []
        self._place, self._author, self._disk, self._random = place, author, disk, random
        self._left = 0
        disk.on_call = self._count
        self._choose()

    def _choose(self) -> None:
        self._left = self._random.randint(1, 40 * CHANGES)

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            for _ in range(WAYS):
                target = self._place / str(len(self.cuts))
                self._disk.cut(target, self._random)
                self.cuts.append((target, known(self._author)))
            self._choose()


def known(author: Author) -> Author:
    """What an author knows now."""
    then = Author(Random(author.acknowledged))
    then.worlds, then.whole = deepcopy(author.worlds), dict(author.whole)
    then.contents = author.contents
    return then


@pytest.fixture
def moments(request: pytest.FixtureRequest) -> int:
    count = request.config.getoption("--moments", default=None)
    return FEW if count is None else int(count)


def test_each_name_has_its_old_or_its_new_content_and_what_is_held_was_sent(
    tmp_path: Path, random: Random, moments: int, tally: Tally
) -> None:
    for number in range(0, moments, 4):
        place = tmp_path / str(number)
        place.mkdir()
        for target, author in cuts(place, random, min(4, moments - number)):
            check(target, author, tally)
            tally.cuts += 1
            shutil.rmtree(target)


def cuts(place: Path, random: Random, count: int) -> Iterator[tuple[Path, Author]]:
    """Work on a root, and pull the plug so many times."""
    server = Server(place / "root", durable=True)
    author = Author(random)
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(server.root, patch)
        found = Moments(place, author, disk, random)
        while len(found.cuts) < count * WAYS:
            author.live(lambda: Connection(server), CHANGES)  # type: ignore[arg-type, return-value]
        disk.on_call = lambda: None
    disk.close()
    server.close()
    shutil.rmtree(server.root)
    yield from found.cuts


def check(root: Path, author: Author, tally: Tally) -> None:
    """Start a server in another boot, and hold what is there against what is known."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("filesrv.store.registry", "filesrv.server.trust"):
            patch.setattr(f"{module}.boot_id", lambda: "another boot")
        server = Server(root, durable=True)
        left = server.files()
        mixed = [name for name, content in left.items() if author.contents[len(content)] != content]
        tally.mixed += len(mixed)
        assert not mixed
        # A rename between directories may be half done, both names being there.
        names = {name for world in author.worlds for name in world} | left.keys()
        wrong = [n for n in names if left.get(n) not in [world.get(n) for world in author.worlds]]
        tally.lost += len(wrong)
        assert not wrong
        author.worlds = [left]
        finish(server, author, tally)
        assert server.held() == []
        assert server.shelves.registry.all() == []
        server.close()


def finish(server: Server, author: Author, tally: Tally) -> None:
    """Go on with all that is unfinished."""
    connection = Connection(server)
    pending = author.pending(connection)  # type: ignore[arg-type]
    tally.unfinished += len(pending)
    for name, size in author.whole.items():
        committed = author.world.get(name) == author.contents[size]
        if size > upload.UNRECORDED_SIZE and not committed:
            assert pending.get(name) == (size, size), "it waits for its COMMIT"
    for name, (_, size) in pending.items():
        author.finish(connection, name, size)  # type: ignore[arg-type]
    assert server.files() == author.world


def test_what_replaced_the_end_of_an_upload_is_not_believed_for_what_was_flushed_before(
    tmp_path: Path, random: Random
) -> None:
    first, second = random.randbytes(3 * MIB), random.randbytes(3 * MIB)
    both = first[:1000] + second[1000:]
    for number in range(10):
        server = Server(tmp_path / f"root {number}", durable=True)
        with pytest.MonkeyPatch.context() as patch:
            disk = Disk(server.root, patch)
            client = server.connect()
            client.says(b"UPLOAD f %d\n" % len(first), first[: 2 * MIB])
            client.reset()
            server.connect().says(b"UPLOAD f %d 1000\n" % len(both), both[1000:900_000])
            disk.cut(tmp_path / str(number), random)
            disk.close()
        server.close()
        with pytest.MonkeyPatch.context() as patch:
            for module in ("filesrv.store.registry", "filesrv.server.trust"):
                patch.setattr(f"{module}.boot_id", lambda: "another boot")
            server = Server(tmp_path / str(number), durable=True)
            client = server.connect()
            reply = client.says(b"UPLOAD f %d\n" % len(both))
            offset = int(reply[len("OK offset=") :].split()[0])
            client.says(both[offset:])
            assert offset >= 1000
            assert server.files() == {"f": both}
            server.close()
