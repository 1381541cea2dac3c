"""File systems of a few MiB, and what is said and kept when they are full."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.faults.mounts import MIB, ext4, fill, free, tmpfs
from tests.support.memory import Server

CONTENT = Random(5).randbytes(3 * MIB)


@pytest.fixture(params=["tmpfs", "ext4"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Where a file system is mounted, of each kind: one that reserves, and one that does not."""
    mount = {"tmpfs": tmpfs, "ext4": ext4}[request.param]
    with mount(tmp_path / "disk", 12 * MIB):
        yield tmp_path / "disk"


@pytest.fixture
def server(place: Path) -> Iterator[Server]:
    made = Server(place / "root", durable=True)
    yield made
    made.close()


def test_what_does_not_fit_is_refused_before_its_first_byte_with_what_is_missing(
    server: Server, place: Path
) -> None:
    room = free(place)
    client = server.connect()

    line = client.asks(b"UPLOAD f %d" % (100 * MIB))[0]

    assert line.startswith("ERR NO_SPACE missing=")
    missing = int(line.partition("missing=")[2].split()[0])
    assert 100 * MIB - room <= missing <= 100 * MIB - room + 64 * 1024
    assert client.asks(b"PENDING") == ["OK lines=0"]
    assert server.held() == []


def test_a_payload_that_did_not_wait_for_the_refusal_is_skipped(
    server: Server, place: Path
) -> None:
    fill(place, leave=MIB // 2)

    answer = server.connect().says(b"UPLOAD f %d 0\n" % MIB, CONTENT[:MIB], b"ECHO a\n")

    assert answer.startswith(b"ERR NO_SPACE missing=")
    assert answer.endswith(b"\na\n")


def test_a_disk_that_somebody_else_fills_keeps_what_arrived_till_there_is_room(
    server: Server, place: Path
) -> None:
    hog = fill(place, leave=2 * MIB)
    size = MIB
    client = server.connect()
    client.says(b"UPLOAD f %d\n" % size, CONTENT[: size // 2])
    # What was reserved, nobody else gets; it is only there where the file system can.
    fill(place)
    answer = client.says(CONTENT[size // 2 : size])
    if answer.startswith(b"OK stored="):
        assert server.files()["f"] == CONTENT[:size]
        return

    assert answer.startswith(b"ERR NO_SPACE ")
    assert client.asks(b"ECHO alive") == ["alive"]
    (held,) = server.held()
    assert held == CONTENT[: len(held)]
    assert len(held) >= size // 2
    again = client.asks(b"UPLOAD f %d" % size)
    assert again[0].startswith("ERR NO_SPACE missing=")
    hog.unlink()

    reply = client.says(b"UPLOAD f %d\n" % size)

    assert reply.startswith(b"OK offset=%d " % len(held))
    client.says(CONTENT[len(held) : size])
    assert server.files() == {"f": CONTENT[:size]}
    assert server.held() == []


def test_the_same_after_the_daemon_was_killed_on_the_full_disk(server: Server, place: Path) -> None:
    client = server.connect()
    client.says(b"UPLOAD f %d\n" % len(CONTENT), CONTENT[:MIB])
    hog = fill(place)
    client.says(CONTENT[MIB : MIB + 500_000])
    server.kill()
    client = server.connect()
    (held,) = server.held()
    assert held == CONTENT[: len(held)]
    hog.unlink()

    reply = client.says(b"UPLOAD f %d\n" % len(CONTENT))
    offset = int(reply[len("OK offset=") :].split()[0])

    assert MIB <= offset <= len(held)
    client.says(CONTENT[offset:])
    assert server.files()["f"] == CONTENT


def test_a_full_disk_can_be_read_and_cleared_by_commands(server: Server, place: Path) -> None:
    client = server.connect()
    client.says(b"UPLOAD f 1000 0\n", CONTENT[:1000])
    client.says(b"UPLOAD half %d 0\n" % MIB, CONTENT[:500_000])
    client.reset()
    fill(place)
    client = server.connect()

    assert client.asks(b"STAT f")[0].startswith("OK size=1000 ")
    assert client.says(b"DOWNLOAD f\n").count(CONTENT[:1000]) == 1
    assert client.asks(b"LIST")[0] == "OK lines=1"
    assert client.asks(b"HASH f")[0].startswith("OK sha256=")
    assert client.asks(b"PENDING")[0] == "OK lines=1"
    assert free(place) < 64 * 1024
    assert client.asks(b"DISCARD half") == ["OK"]
    assert free(place) > 400_000
    assert client.asks(b"DELETE f") == ["OK"]
    assert client.asks(b"PENDING") == ["OK lines=0"]


def test_what_the_daemon_writes_by_itself_may_fail_and_does_so_again_later(
    server: Server, place: Path
) -> None:
    client = server.connect()
    client.says(b"UPLOAD f %d\n" % len(CONTENT), CONTENT[:MIB])
    hog = fill(place)
    for _ in range(3):
        server.pass_time(5)
    hog.unlink()
    server.shelves.record()

    client.says(CONTENT[MIB:])
    assert server.files()["f"] == CONTENT


class TestReserving:
    """What was announced has its place before it comes, and nobody else gets it."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> Iterator[Path]:
        with ext4(tmp_path / "disk", 12 * MIB):
            yield tmp_path / "disk"

    def test_who_came_first_gets_his_file_on_a_disk_that_is_full_meanwhile(
        self, server: Server, place: Path
    ) -> None:
        first, second = server.connect(), server.connect("192.0.2.2")
        room = free(place)
        first.says(b"UPLOAD f %d\n" % len(CONTENT), CONTENT[:1000])
        assert room - free(place) >= len(CONTENT)
        assert second.asks(b"UPLOAD g %d" % room)[0].startswith("ERR NO_SPACE missing=")
        fill(place)

        assert first.says(CONTENT[1000:]).startswith(b"OK stored=f ")
        assert server.files()["f"] == CONTENT

    def test_the_size_stays_what_has_arrived(self, server: Server) -> None:
        server.connect().says(b"UPLOAD f %d\n" % len(CONTENT), CONTENT[:1000])

        assert server.held() == [CONTENT[:1000]]
        assert server.connect().asks(b"PENDING")[1].startswith("upload 1000 ")

    @pytest.mark.parametrize("how", ["reset", "kill", "restart"])
    def test_it_is_given_back_when_the_connection_or_the_daemon_ends(
        self, server: Server, place: Path, how: str
    ) -> None:
        client = server.connect()
        room = free(place)
        client.says(b"UPLOAD f %d\n" % len(CONTENT), CONTENT[:300_000])
        assert room - free(place) >= len(CONTENT)
        client.reset() if how == "reset" else getattr(server, how)()

        assert room - free(place) < 600_000
        reply = server.connect().asks(b"UPLOAD f %d" % len(CONTENT))[0]
        assert reply.startswith("OK offset=300000 ")
        assert room - free(place) >= len(CONTENT) - 300_000

    def test_what_is_refused_later_reserves_nothing(self, server: Server, place: Path) -> None:
        room = free(place)
        server.connect().asks(b"UPLOAD f %d" % (100 * MIB))

        assert room - free(place) < 100_000
