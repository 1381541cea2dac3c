"""Unfinished downloads on disk, whenever the process is killed."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from filesrv.client.answers import FetchHead
from filesrv.client.errors import Busy, FetchIncomplete
from filesrv.client.partial import WITHOUT_NOTE, PartialDownload, PartialName
from filesrv.client.places import place_at
from filesrv.disk import writeback
from filesrv.disk.flushing import Flushing
from filesrv.disk.writeback import EVERY
from filesrv.transfer.digest import BLOCK_SIZE
from filesrv.wire.replies import MalformedReply
from tests.support.torn import killed_within

SIZE = WITHOUT_NOTE + 1000
OLD, NEW = b"o" * SIZE, b"n" * SIZE
LONG = bytes(3 * BLOCK_SIZE + 1000)


def head(offset: int = 0, version: str = "v1", size: int = SIZE) -> FetchHead:
    return FetchHead(offset, size - offset, size, version, 1_000_000_000)


def opened(path: Path, name: str = "there/f", boot: str = "b") -> PartialDownload:
    return PartialDownload(place_at(str(path)), name, "server:1", boot)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f"


def publish(partial: PartialDownload) -> None:
    outcome: list[Any] = []
    Deferred.fromCoroutine(partial.publish(Flushing())).addBoth(outcome.append)
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()


def broken_off(path: Path, count: int = 5000, keep: bool = True) -> None:
    partial = opened(path)
    partial.begin(head()).write(OLD[:count])
    partial.close(keep)


def test_what_was_broken_off_is_gone_on_with(path: Path) -> None:
    broken_off(path)
    partial = opened(path)
    assert (partial.size, partial.version) == (5000, "v1")

    partial.begin(head(5000)).write(OLD[5000:])
    publish(partial)

    assert path.read_bytes() == OLD
    assert path.stat().st_mtime_ns == 1_000_000_000
    assert os.listdir(path.parent) == ["f"]


def test_another_version_begins_with_nothing(path: Path) -> None:
    broken_off(path)
    partial = opened(path)

    partial.start_over()
    partial.begin(head(version="v2")).write(NEW)
    publish(partial)

    assert path.read_bytes() == NEW


@pytest.mark.parametrize("wrong", [head(4999), head(5000, version="v2"), head(0)])
def test_what_does_not_continue_what_is_here_is_not_taken(path: Path, wrong: FetchHead) -> None:
    broken_off(path)
    partial = opened(path)

    with pytest.raises(MalformedReply):
        partial.begin(wrong)
    partial.close()

    assert opened(path).size == 5000


def test_less_than_all_is_never_published(path: Path) -> None:
    partial = opened(path)
    partial.begin(head()).write(OLD[:-1])

    with pytest.raises(FetchIncomplete):
        publish(partial)
    partial.close()

    assert not path.exists()


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"{",
        b"[1]",
        b"null",
        b"\xff",
        b"{}",
        json.dumps({"name": "there/f", "version": "", "size": SIZE, "boot": "b"}).encode(),
        json.dumps({"name": "there/f", "version": 1, "size": SIZE, "boot": "b"}).encode(),
        json.dumps({"name": "there/f", "version": "v1", "size": 10, "boot": "b"}).encode(),
        json.dumps({"name": "there/g", "version": "v1", "size": SIZE, "boot": "b"}).encode(),
    ],
)
def test_a_note_that_does_not_fit_is_not_believed(path: Path, note: bytes) -> None:
    broken_off(path)
    (path.parent / ".f.filesrv-part.json").write_bytes(note)

    partial = opened(path)

    assert (partial.size, partial.version) == (0, None)


@pytest.mark.parametrize(("keep", "trusted"), [(True, 5000), (False, 0)])
def test_after_a_crash_of_the_machine_only_what_was_flushed_counts(
    path: Path, keep: bool, trusted: int
) -> None:
    broken_off(path, keep=keep)

    assert opened(path, boot="another").size == trusted


def killed_within_a_write(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The partial file that is left, of three blocks and half of a write."""
    partial = opened(path)
    partial.begin(head(size=len(LONG)))
    for start in range(0, 3 * BLOCK_SIZE, BLOCK_SIZE // 2):
        partial.write(LONG[start : start + BLOCK_SIZE // 2])
    place = path.parent / ".f.filesrv-part"
    kept = changed(place.with_name(place.name + ".blocks"))
    wait_for_a_tick_after(kept, path)
    killed_within(partial.write, place, LONG[3 * BLOCK_SIZE :], monkeypatch)
    partial.close(keep=False)
    assert changed(place.with_name(place.name + ".blocks")) > kept
    return place


def change(place: Path) -> None:
    """What somebody else does to its first byte."""
    with place.open("r+b") as file:
        file.write(b"?")


def changed(path: Path) -> int:
    return path.stat().st_ctime_ns


def wait_for_a_tick_after(time: int, path: Path) -> None:
    """Of the file system's clock, which ticks a hundred times a second at least."""
    while True:
        path.with_name("clock").touch()
        if changed(path.with_name("clock")) > time:
            return


def test_digests_are_kept_over_a_kill_within_a_write(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_within_a_write(path, monkeypatch)

    # No test is to depend on when the clock ticks.
    monkeypatch.setattr("filesrv.disk.moments.AT_ONCE", 10**10)
    for _ in range(2):
        partial = opened(path)
        assert partial.size == 3 * BLOCK_SIZE + 500
        assert partial.digests.position == 3 * BLOCK_SIZE
        partial.close(keep=False)
        # That it was a write of ours was noted the first time.
        monkeypatch.setattr("filesrv.disk.moments.AT_ONCE", -1)


def test_no_digests_are_believed_of_what_somebody_else_wrote_into_after_the_kill(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = killed_within_a_write(path, monkeypatch)
    wait_for_a_tick_after(changed(place), path)
    wait_for_a_tick_after(changed(path.with_name("clock")), path)
    change(place)

    partial = opened(path)

    assert partial.size == 3 * BLOCK_SIZE + 500
    assert partial.digests.position == 0
    partial.close(keep=False)


def test_nor_where_the_modes_were_changed_of_all_files_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = killed_within_a_write(path, monkeypatch)
    wait_for_a_tick_after(changed(place), path)
    change(place)
    wait_for_a_tick_after(changed(place), path)
    monkeypatch.setattr("filesrv.disk.moments.AT_ONCE", 10**10)
    for each in (place.with_name(place.name + ".blocks"), place):
        each.chmod(0o640)

    partial = opened(path)

    assert partial.digests.position == 0
    partial.close(keep=False)


def test_looking_at_what_is_here_changes_nothing_about_it(path: Path) -> None:
    partial = opened(path)
    partial.begin(head(size=len(LONG))).write(LONG[: BLOCK_SIZE + 1])
    partial.close(keep=False)
    before = changed(path.parent / ".f.filesrv-part")
    wait_for_a_tick_after(before, path)

    opened(path).close(keep=False)

    assert changed(path.parent / ".f.filesrv-part") == before


def test_what_was_found_changed_once_is_not_believed_after_the_next_write(path: Path) -> None:
    """Or the digests of before the change would be."""
    partial = opened(path)
    partial.begin(head(size=len(LONG))).write(LONG[: 2 * BLOCK_SIZE])
    partial.close(keep=False)
    change(path.parent / ".f.filesrv-part")
    partial = opened(path)
    assert partial.digests.position == 0
    partial.begin(head(offset=2 * BLOCK_SIZE, size=len(LONG))).write(LONG[:10])
    partial.close(keep=False)

    partial = opened(path)

    assert partial.size == 2 * BLOCK_SIZE + 10
    assert partial.digests.position == 0
    partial.close(keep=False)


def test_digests_that_cannot_be_removed_are_not_believed_the_next_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = opened(path)
    partial.begin(head(size=len(LONG))).write(LONG[: 2 * BLOCK_SIZE])
    partial.close()
    with (path.parent / ".f.filesrv-part").open("r+b") as file:
        file.write(b"?")
        file.seek(0, os.SEEK_END)
        file.write(b"?")

    def refuse(names: PartialName, directory: int) -> None:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(PartialName, "remove_digests", refuse)
        with pytest.raises(PermissionError):
            opened(path, boot="another")

    partial = opened(path)
    assert partial.digests.position == 0
    partial.close(keep=False)


def test_no_digests_are_believed_of_what_somebody_else_wrote_into_right_after_a_write(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("filesrv.disk.moments.AT_ONCE", 10**10)
    partial = opened(path)
    partial.begin(head(size=len(LONG))).write(LONG[: BLOCK_SIZE + 1])
    partial.write(LONG[: BLOCK_SIZE - 1])
    partial.close(keep=False)
    change(path.parent / ".f.filesrv-part")

    partial = opened(path)

    assert partial.size == 2 * BLOCK_SIZE
    assert partial.digests.position == 0
    partial.close(keep=False)


def test_a_partial_file_that_is_a_link_is_not_followed(path: Path) -> None:
    precious = path.parent / "precious"
    precious.write_bytes(b"precious")
    (path.parent / ".f.filesrv-part").symlink_to(precious)

    with pytest.raises(OSError, match="symbolic"):
        opened(path)

    assert precious.read_bytes() == b"precious"


def test_a_link_with_the_files_name_is_replaced_and_not_followed(path: Path) -> None:
    precious = path.parent / "precious"
    precious.write_bytes(b"precious")
    path.symlink_to(precious)

    partial = opened(path)
    partial.begin(head()).write(OLD)
    publish(partial)

    assert path.read_bytes() == OLD
    assert precious.read_bytes() == b"precious"


def test_only_one_process_at_a_time_has_it(path: Path) -> None:
    first = opened(path)

    with pytest.raises(Busy):
        opened(path)
    first.close()

    opened(path).close()


@pytest.mark.parametrize("begun_again", [False, True])
def test_what_was_published_meanwhile_is_not_written_into(
    path: Path, monkeypatch: pytest.MonkeyPatch, begun_again: bool
) -> None:
    """Opened before the other run gave it its name, locked after."""
    import fcntl

    first = opened(path)
    first.begin(head()).write(OLD)
    real: Callable[[int, int], None] = fcntl.flock

    part = path.parent / ".f.filesrv-part"

    def late(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", real)
        publish(first)
        if begun_again:
            part.write_bytes(b"")
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    second = opened(path)

    assert second.size == 0
    assert path.read_bytes() == OLD
    second.close()
    assert os.listdir(path.parent) == ["f"]


def test_who_gets_nothing_leaves_nothing(path: Path) -> None:
    opened(path).close()

    assert os.listdir(path.parent) == []


@pytest.mark.parametrize("leaf", ["n" * 255, "ü" * 127, "日" * 85])
def test_the_longest_names_have_room_for_a_partial_file(tmp_path: Path, leaf: str) -> None:
    path = tmp_path / leaf
    broken_off(path)
    partial = opened(path)
    assert partial.size == 5000

    partial.begin(head(5000)).write(OLD[5000:])
    publish(partial)

    assert os.listdir(tmp_path) == [leaf]


#: Calls that change the disk, in the order in which a life of one file needs them.
_CALLS = ("ftruncate", "open", "replace", "pwrite", "fdatasync", "utime", "fsync", "rename")


class Killed(BaseException):
    """The process is gone from here on."""


def test_killed_at_any_moment_two_versions_are_never_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each single call that changes the disk, in two runs with a change between."""

    def runs(directory: Path, moment: int) -> bool:
        """Whether it was killed at all."""
        path = directory / "f"
        directory.mkdir()
        broken_off(path, 5000, keep=False)
        with monkeypatch.context() as patch:
            counted = [0]
            for call in (*_CALLS, "unlink"):
                patch.setattr(os, call, _killing(getattr(os, call), counted, moment))
            try:
                _fetch(path, NEW, "v2")
            except Killed:
                killed = True
            else:
                killed = False
        for descriptor in _open_below(directory):
            os.close(descriptor)
        _check(path)
        _fetch(path, NEW, "v2")
        assert path.read_bytes() == NEW
        return killed

    moment = 0
    while runs(tmp_path / str(moment), moment):
        moment += 1

    assert moment > 8


def _killing(real: Callable[..., Any], counted: list[int], moment: int) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        counted[0] += 1
        if counted[0] > moment:
            raise Killed
        return real(*args, **kwargs)

    return call


def _open_below(directory: Path) -> list[int]:
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith(str(directory)):
                found.append(int(name))
        except OSError as error:
            assert error.errno == errno.ENOENT  # noqa: PT017
    return found


def _check(path: Path) -> None:
    """What is on disk is of the version that its note says, or nobody trusts it."""
    assert not path.exists() or path.read_bytes() == NEW
    partial = opened(path)
    kept = (path.parent / ".f.filesrv-part").read_bytes()
    assert kept == (OLD if partial.version == "v1" else NEW)[: len(kept)]
    partial.close(keep=False)


def _fetch(path: Path, content: bytes, version: str) -> None:
    """A run against a server that has C{version} now."""
    partial = opened(path)
    if partial.version != version:
        partial.start_over()
    partial.begin(head(partial.size, version=version))
    while partial.size < SIZE:
        partial.write(content[partial.size : partial.size + 100_000])
    publish(partial)


def test_what_arrives_is_on_its_way_to_the_disk_before_the_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []

    def begin_writing(descriptor: int, offset: int, length: int, flags: int) -> int:
        asked.append((offset, length))
        return 0

    monkeypatch.setattr(writeback, "_SYNC_FILE_RANGE", begin_writing)
    broken_off(path)
    partial = opened(path)
    sink = partial.begin(head(5000, size=3 * EVERY))
    sink.write(bytes(2 * EVERY))

    assert asked == [(5000, 2 * EVERY)]
    partial.close()
