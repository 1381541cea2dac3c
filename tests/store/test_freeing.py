"""Large files that lose their name are freed in slices, and nobody sees them become shorter."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from filesrv.store import freeing
from filesrv.store.freeing import Freeing
from tests.support.memory import Server, open_descriptors

MIB = 1024 * 1024
SIZE = 3 * MIB
CONTENT = os.urandom(SIZE)


@pytest.fixture(autouse=True)
def smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is large is a MiB, so that the tests' files can be small."""
    monkeypatch.setattr(freeing, "LARGE", MIB)
    monkeypatch.setattr(freeing, "SLICE", MIB)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "root")
    made.put("f", CONTENT)
    yield made
    made.close()


def unlinking(place: Path, made: Freeing) -> None:
    directory = os.open(place.parent, os.O_RDONLY)
    with made.unnamed(directory, place.name):
        place.unlink()
    os.close(directory)


def test_it_shrinks_slice_by_slice_until_nothing_is_open(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(CONTENT)
    made, called = Freeing(), []
    made.on_work = lambda: called.append(True)
    unlinking(tmp_path / "f", made)

    assert called == [True]
    sizes = []
    while made.step():
        [descriptor] = open_descriptors(tmp_path)
        sizes.append(os.fstat(descriptor).st_size)
    assert sizes == [2 * MIB, MIB]
    assert open_descriptors(tmp_path) == {}
    assert not made.step()


def test_a_second_file_waits_for_the_first_and_work_is_announced_once(tmp_path: Path) -> None:
    made, called = Freeing(), []
    made.on_work = lambda: called.append(True)
    for name in ("f", "g"):
        (tmp_path / name).write_bytes(CONTENT)
        unlinking(tmp_path / name, made)

    assert called == [True]
    assert [made.step() for _ in range(6)] == [True] * 5 + [False]


def keep_reading(place: Path) -> int:
    return os.open(place, os.O_RDONLY)


def keep_a_name(place: Path) -> int:
    (place.parent / "other").hardlink_to(place)
    return os.open(place.parent / "other", os.O_RDONLY)


@pytest.mark.parametrize("keep", [keep_reading, keep_a_name])
def test_a_file_that_somebody_else_has_stays_as_it_is(
    tmp_path: Path, keep: Callable[[Path], int]
) -> None:
    (tmp_path / "f").write_bytes(CONTENT)
    descriptor = keep(tmp_path / "f")
    made = Freeing()
    unlinking(tmp_path / "f", made)

    assert not made.step()
    assert os.pread(descriptor, SIZE, 0) == CONTENT
    os.close(descriptor)


def test_a_small_file_is_no_work(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"small")
    made = Freeing()
    unlinking(tmp_path / "f", made)

    assert open_descriptors(tmp_path) == {}
    assert not made.step()


def test_what_is_not_done_in_the_end_is_let_go(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(CONTENT)
    made = Freeing()
    unlinking(tmp_path / "f", made)
    made.close()

    assert open_descriptors(tmp_path) == {}


@pytest.mark.parametrize(
    "line", [b"DELETE f\n", b"RENAME g f\n", b"UPLOAD f 3 0\nnew", b"UPLOAD f 3 0 modified=x\n"]
)
def test_a_server_frees_between_its_events(server: Server, line: bytes) -> None:
    server.put("g", b"new")
    client = server.connect()
    client.says(line)

    places = open_descriptors(server.root).values()
    assert not [place for place in places if place.endswith("(deleted)")]
    assert server.files().get("f") in (None, b"new", CONTENT)


def test_a_download_of_the_old_file_reads_it_to_its_end(server: Server) -> None:
    client = server.connect()
    client.takes = 0
    client.send(b"DOWNLOAD f\n")
    server.settle()
    assert server.connect().asks(b"DELETE f") == ["OK"]
    client.takes = 1 << 30
    server.settle()

    assert CONTENT in bytes(client.received)


def test_an_upload_that_is_discarded_is_freed_too(server: Server) -> None:
    client = server.connect()
    client.says(b"UPLOAD half %d\n" % (2 * SIZE), CONTENT)
    client.reset()
    client = server.connect()
    client.send(b"DISCARD half\n")
    server.reactor.turn()

    assert server.held() == []
    server.settle()
    places = open_descriptors(server.root).values()
    assert not [place for place in places if place.endswith("(deleted)")]


def test_only_so_many_files_are_held_open_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freeing, "MOST", 2)
    made = Freeing()
    for number in range(4):
        (tmp_path / str(number)).write_bytes(CONTENT)
        unlinking(tmp_path / str(number), made)

    assert len(open_descriptors(tmp_path)) == 2
    made.close()
