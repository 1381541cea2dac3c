"""What has arrived of unfinished uploads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from filesrv.store.partials import Partial, Partials
from filesrv.store.root import Root
from filesrv.wire.errors import BadChecksum, Exists
from tests.support.memory import open_descriptors
from tests.support.torn import killed_within

SECOND = 10**9


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "partial"


@pytest.fixture
def partials(place: Path) -> Iterator[Partials]:
    made = Partials(str(place))
    yield made
    made.close()
    assert open_descriptors(place) == {}, "a descriptor was left open"


def test_the_directory_is_made_and_nobody_elses_business(partials: Partials, place: Path) -> None:
    assert place.stat().st_mode & 0o777 == 0o700


def test_what_is_written_is_as_long_as_it_is_on_disk(partials: Partials, place: Path) -> None:
    partial = partials.open("id")
    for data in (b"abc", b"", memoryview(b"defg")):
        partial.write(data)
        assert partial.size == partials.size("id") == (place / "id").stat().st_size
    partial.close()
    partial.close()

    again = partials.open("id")
    assert again.size == 7
    again.write(b"h")
    assert again.read(2, 99) == b"cdefgh"
    again.close()


def test_a_short_write_is_finished_and_a_failed_one_counts_what_went(
    partials: Partials, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite
    room = 10

    def pwrite(descriptor: int, data: Any, offset: int) -> int:
        if offset >= room:
            raise OSError(28, "full")
        return real(descriptor, data[: min(3, room - offset)], offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    partial = partials.open("id")
    partial.write(b"01234567")
    assert partial.size == 8
    with pytest.raises(OSError, match="full"):
        partial.write(b"89abcd")

    assert partial.size == 10
    assert partial.read(0, 99) == b"0123456789"
    partial.close()


def test_it_can_be_cut_and_goes_on_from_there(partials: Partials) -> None:
    partial = partials.open("id")
    partial.write(b"abcdef")
    partial.truncate(2)
    partial.write(b"X")

    assert partial.read(0, 99) == b"abX"
    partial.close()


def test_block_digests_are_kept_beside_it(partials: Partials) -> None:
    partial = partials.open("id")
    partial.save_blocks(0, b"a" * 64)
    partial.save_blocks(32, b"b" * 32)
    assert partial.load_blocks(999) == b"a" * 32 + b"b" * 32
    partial.save_blocks(32, b"")
    partial.close()

    again = partials.open("id")
    assert again.load_blocks(16) == b"a" * 16
    assert again.load_blocks(999) == b"a" * 32
    again.close()


def test_what_is_not_there_has_no_size_and_can_be_removed(partials: Partials) -> None:
    assert partials.size("none") == 0
    assert partials.status("none") is None
    partials.remove("none")


def test_all_are_known_by_their_ids(partials: Partials) -> None:
    ids = {partials.new_id() for _ in range(5)}
    for id in ids:
        partials.open(id).close()
    assert set(partials.ids()) == ids
    for id in ids:
        partials.remove(id)
    assert list(partials.ids()) == []


def test_what_cannot_be_opened_leaves_nothing_open(partials: Partials, place: Path) -> None:
    (place / "id").symlink_to("elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        partials.open("id")
    (place / "other.blocks").mkdir()
    with pytest.raises(OSError, match="directory"):
        partials.open("other")


@pytest.mark.parametrize("durable", [True, False])
def test_a_published_one_is_gone_from_here_and_has_its_time(
    partials: Partials, place: Path, tmp_path: Path, durable: bool
) -> None:
    root = Root(str(tmp_path), durable)
    partial = partials.open("id")
    partial.write(b"content")
    partial.publish(root, "d/f", replace=False, modified=1_234_567_890)
    partial.close()
    root.close()

    assert (tmp_path / "d" / "f").read_bytes() == b"content"
    assert (tmp_path / "d" / "f").stat().st_mtime_ns == 1_234_567_890
    assert list(place.iterdir()) == []


def test_one_that_cannot_be_published_is_kept(partials: Partials, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    root = Root(str(tmp_path), durable=False)
    partial = partials.open("id")
    partial.write(b"new")
    partial.save_blocks(0, b"d" * 32)
    with pytest.raises(Exists):
        partial.publish(root, "f", replace=False, modified=None)
    root.close()

    assert partial.read(0, 9) == b"new"
    assert partial.load_blocks(99) == b"d" * 32
    partial.close()


@pytest.mark.parametrize("modified", [None, 10**18])
def test_what_somebody_writes_while_it_is_flushed_is_not_published(
    partials: Partials,
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    modified: int | None,
) -> None:
    root = Root(str(tmp_path), durable=True)
    partial = partials.open("id")
    partial.write(b"content")
    real = os.fdatasync

    def meanwhile(descriptor: int) -> None:
        with (place / "id").open("r+b") as file:
            file.write(b"?")
        os.utime(place / "id", (0, 2**33))
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", meanwhile)
        with pytest.raises(BadChecksum):
            partial.publish(root, "f", replace=True, modified=modified)
    root.close()
    partial.seal(b"e" * 32)

    assert not (tmp_path / "f").exists()
    assert not partial.sealed()
    partial.close()


def wait_for_the_clock_of(path: Path, nanoseconds: int) -> None:
    """Until the file system's clock has gone on so far."""
    path.touch()
    since = path.stat().st_ctime_ns
    while path.stat().st_ctime_ns < since + nanoseconds:
        path.touch()


def vouched_for(partials: Partials) -> tuple[bool, bool]:
    """Whether what is there is marked, and whether it is sealed, as the next daemon finds it."""
    partial = partials.open("id")
    try:
        return partial.marked(), partial.sealed()
    finally:
        partial.close()


class TestMark:
    """Of a daemon that was killed within a write."""

    @pytest.fixture(autouse=True)
    def slow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have no test depend on when the clock ticks."""
        monkeypatch.setattr("filesrv.disk.moments.AT_ONCE", 10 * SECOND)

    def _killed(self, partials: Partials, place: Path, monkeypatch: pytest.MonkeyPatch) -> Partial:
        partial = partials.open("id")
        partial.write(b"a" * 1000)
        partial.save_blocks(0, b"d" * 32)
        partial.seal(b"e" * 32)
        killed_within(partial.write, place / "id", b"b" * 500, monkeypatch)
        partial.close()
        return partials.open("id")

    def test_what_a_write_left_is_known_as_ours(
        self, partials: Partials, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        again = self._killed(partials, place, monkeypatch)

        assert again.size == 1250
        assert again.marked()
        assert not again.sealed()
        assert again.note() == (1000, b"e" * 32)
        again.seal(b"f" * 32)
        assert again.sealed()
        assert not again.marked()
        again.close()

    def test_what_was_reserved_can_be_given_back_however_long_that_takes(
        self, partials: Partials, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        again = self._killed(partials, place, monkeypatch)
        real = os.ftruncate

        def slowly(descriptor: int, size: int) -> None:
            wait_for_the_clock_of(place / "clock", 20_000_000)
            real(descriptor, size)

        with monkeypatch.context() as patch:
            patch.setattr(os, "ftruncate", slowly)
            again.give_back()
        again.close()

        monkeypatch.setattr("filesrv.disk.moments.AT_ONCE", 10_000_000)
        assert vouched_for(partials) == (True, False)

    def test_no_mark_is_left_once_it_is_known_that_somebody_else_wrote(
        self, partials: Partials, place: Path
    ) -> None:
        partial = partials.open("id")
        partial.write(b"a" * 1000)
        partial.seal(b"e" * 32)
        partial.write(b"b" * 1000)
        with (place / "id").open("r+b") as file:
            file.write(b"?")
        os.utime(place / "id", (0, 2**33))
        partial.seal(b"e" * 32)
        partial.give_back()
        partial.close()

        assert vouched_for(partials) == (False, False)

    def test_what_was_done_before_the_mark_is_not_ours(
        self, partials: Partials, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._killed(partials, place, monkeypatch).close()
        later = (place / "id").stat().st_ctime_ns + SECOND
        os.utime(place / "id.blocks", ns=(later, later))

        assert vouched_for(partials) == (False, False)

    def test_a_write_of_what_was_not_sealed_leaves_no_mark(
        self, partials: Partials, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        partial = partials.open("id")
        partial.write(b"a" * 1000)
        killed_within(partial.write, place / "id", b"b" * 500, monkeypatch)
        partial.close()

        assert vouched_for(partials) == (False, False)

    def test_what_somebody_else_does_later_is_not_ours(
        self, partials: Partials, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._killed(partials, place, monkeypatch).close()
        # As if the write had been long before what was done to the file.
        earlier = (place / "id").stat().st_ctime_ns - 20 * SECOND
        os.utime(place / "id.blocks", ns=(earlier, earlier))

        assert vouched_for(partials) == (False, False)

    @pytest.mark.parametrize("at", [0, 32, 40, 72])
    def test_another_mark_or_note_or_digest_is_not_ours(
        self, partials: Partials, place: Path, monkeypatch: pytest.MonkeyPatch, at: int
    ) -> None:
        self._killed(partials, place, monkeypatch).close()
        with (place / "id.blocks").open("r+b") as file:
            file.seek(at)
            file.write(b"?")

        assert vouched_for(partials) == (False, False)

    def test_a_shorter_file_is_not_ours(
        self, partials: Partials, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._killed(partials, place, monkeypatch).close()
        os.truncate(place / "id", 999)

        assert vouched_for(partials) == (False, False)

    def test_what_somebody_else_wrote_before_is_not_marked_as_ours(
        self, partials: Partials, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        partial = partials.open("id")
        partial.write(b"a" * 1000)
        partial.seal(b"e" * 32)
        with (place / "id").open("r+b") as file:
            file.write(b"?")
        os.utime(place / "id", (0, 2**33))
        killed_within(partial.write, place / "id", b"b" * 500, monkeypatch)
        partial.close()

        assert vouched_for(partials) == (False, False)
