"""Downloads over a network in memory: each is here once and whole, whatever breaks."""

from __future__ import annotations

import fcntl
import json
import os
import random
from functools import partial
from pathlib import Path

import pytest

from filesrv.client.downloads import Download, Downloads
from filesrv.client.errors import Busy, GaveUp, SomeFailed
from filesrv.client.places import place_at
from filesrv.transfer.pace import Pace
from filesrv.wire.errors import NotFound
from tests.client.network import MIB, Network, Notes

LARGE = random.Random(1).randbytes(3 * MIB + 17)
OTHER = random.Random(2).randbytes(3 * MIB + 17)


class Desk:
    """
    Where a test downloads to.

    @ivar listed: whether the sizes of files are known before they are asked for.
    """

    def __init__(self, network: Network, directory: Path, listed: bool) -> None:
        self.listed = listed
        self.network = network
        self.directory = directory
        self.notes = Notes()

    def downloads(self, **more: object) -> Downloads:
        recovery = self.network.recovery(tell=self.notes.trouble)
        return Downloads(
            self.network.reactor,
            recovery,
            self.notes,
            "there",
            **more,  # type: ignore[arg-type]
        )

    def wanted(self, name: str) -> Download:
        path = str(self.directory / name)
        there = self.network.server.root / name
        size = there.stat().st_size if self.listed and there.exists() else None
        return Download(name, partial(place_at, path), path, size)

    def download(self, *names: str, **more: object) -> None:
        self.network.run(self.downloads(**more).run(map(self.wanted, names)))

    def break_for_good(self, name: str, came: int) -> None:
        """A run that is killed after so many bytes."""
        self.network.cuts_down = [came]
        self.network.after_connects(1, refuse=1)
        running = self.network.begin(self.downloads().run([self.wanted(name)]))
        self.network.pass_until(lambda: self.network.refusals == 0)
        running.addErrback(lambda _: None)
        running.cancel()
        self.network.reactor.settle()

    @property
    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.directory.iterdir()}


@pytest.fixture(params=[False, True], ids=["asked-for", "listed"])
def desk(network: Network, tmp_path: Path, request: pytest.FixtureRequest) -> Desk:
    here = tmp_path / "here"
    here.mkdir()
    return Desk(network, here, request.param)


@pytest.mark.parametrize(
    "size", [0, 1, 128 * 1024, 128 * 1024 + 1, 256 * 1024, 256 * 1024 + 1, len(LARGE)]
)
def test_a_file_of_any_size_arrives_whole_and_leaves_nothing_beside_it(
    desk: Desk, size: int
) -> None:
    desk.network.server.put("f", LARGE[:size])

    desk.download("f")

    assert desk.files == {"f": LARGE[:size]}
    assert [(each.size, each.moved) for each in desk.notes.summaries] == [(size, size)]


def test_the_servers_time_is_kept_to_the_nanosecond(desk: Desk) -> None:
    desk.network.server.put("f", b"x")
    os.utime(desk.network.server.root / "f", ns=(1, 1_234_567_890_123_456_789))

    desk.download("f")

    assert os.stat(desk.directory / "f").st_mtime_ns == 1_234_567_890_123_456_789


@pytest.mark.parametrize("cut", [1, 100, 300, 70_000, MIB + 1, 3 * MIB])
def test_after_a_break_only_the_missing_bytes_come(desk: Desk, cut: int) -> None:
    desk.network.server.put("f", LARGE)
    desk.network.cuts_down = [cut]

    desk.download("f")

    assert desk.files == {"f": LARGE}
    assert desk.network.connections == 2
    assert desk.network.down < len(LARGE) + 1024  # the replies


def test_progress_never_runs_backwards_and_counts_no_byte_twice(desk: Desk) -> None:
    desk.network.server.put("f", LARGE)
    desk.network.cuts_down = [200_000, 400_000, 600_000, 2_000_000, 3_000_000]

    desk.download("f")

    positions = [position for _, position in desk.notes.positions]
    assert positions == sorted(positions)
    assert desk.notes.moved == len(LARGE)
    assert desk.network.connections == 6


def test_until_all_is_here_the_old_file_stands_under_the_name(desk: Desk) -> None:
    desk.network.server.put("f", LARGE)
    (desk.directory / "f").write_bytes(b"old")

    desk.break_for_good("f", 2 * MIB)

    assert desk.files["f"] == b"old"


def test_a_later_run_goes_on_where_an_earlier_one_was_killed(desk: Desk) -> None:
    desk.network.server.put("f", LARGE)
    desk.break_for_good("f", 2 * MIB)
    came = desk.network.down

    desk.download("f")

    assert desk.files == {"f": LARGE}
    assert desk.network.down - came < MIB + 1024
    assert desk.notes.summaries[0].moved < MIB + 1024


def test_two_versions_are_never_joined(desk: Desk) -> None:
    desk.network.server.put("f", LARGE)
    desk.break_for_good("f", 2 * MIB)
    desk.network.server.put("f", OTHER)

    desk.download("f")

    assert desk.files == {"f": OTHER}
    assert "changed" in desk.notes.words[0]


def test_a_file_that_has_become_shorter_is_fetched_anew(desk: Desk) -> None:
    desk.network.server.put("f", LARGE)
    desk.break_for_good("f", 2 * MIB)
    desk.network.server.put("f", b"short")

    desk.download("f")

    assert desk.files == {"f": b"short"}


def test_a_file_that_changes_between_the_tries_of_one_run_is_fetched_anew(desk: Desk) -> None:
    desk.network.server.put("f", LARGE)
    desk.network.cuts_down = [2 * MIB]
    desk.network.after_connects(1, refuse=2)
    running = desk.network.begin(desk.downloads().run([desk.wanted("f")]))
    desk.network.server.put("f", OTHER)

    desk.network.finish(running)

    assert desk.files == {"f": OTHER}


def test_what_is_there_without_its_note_is_not_trusted(desk: Desk) -> None:
    desk.network.server.put("f", LARGE)
    (desk.directory / ".f.filesrv-part").write_bytes(OTHER[:MIB])

    desk.download("f")

    assert desk.files == {"f": LARGE}


def test_what_belongs_to_another_file_is_not_trusted(desk: Desk) -> None:
    """The same place, but another name on the server was meant last time."""
    desk.network.server.put("f", LARGE)
    desk.break_for_good("f", 2 * MIB)
    desk.network.server.put("g", OTHER)
    path = str(desk.directory / "f")

    desk.network.run(desk.downloads().run([Download("g", partial(place_at, path), path)]))

    assert desk.files == {"f": OTHER}


def test_bytes_of_another_boot_that_were_not_flushed_are_fetched_again(desk: Desk) -> None:
    desk.network.server.put("f", LARGE)
    desk.break_for_good("f", 2 * MIB)
    part, note = desk.directory / ".f.filesrv-part", desk.directory / ".f.filesrv-part.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"boot": "b", "flushed": MIB}))
    part.write_bytes(LARGE[:MIB] + bytes(part.stat().st_size - MIB))
    came = desk.network.down

    desk.download("f")

    assert desk.files == {"f": LARGE}
    assert desk.network.down - came < 2 * MIB + 1024


def test_a_run_that_gives_up_says_how_much_is_on_disk(desk: Desk) -> None:
    desk.network.server.put("f", LARGE)
    desk.network.cuts_down = [2 * MIB]
    desk.network.after_connects(1, refuse=1_000_000)

    with pytest.raises(GaveUp, match="refused"):
        desk.download("f")

    part, note = desk.directory / ".f.filesrv-part", desk.directory / ".f.filesrv-part.json"
    assert LARGE.startswith(part.read_bytes())
    assert json.loads(note.read_text())["flushed"] == part.stat().st_size > MIB


def test_two_runs_do_not_write_into_one_partial_file(desk: Desk) -> None:
    desk.network.server.put("f", LARGE)
    pace = Pace(desk.network.reactor, MIB)
    first = desk.network.begin(desk.downloads(pace=pace).run([desk.wanted("f")]))

    with pytest.raises(Busy):
        desk.download("f")

    desk.network.finish(first)
    assert desk.files == {"f": LARGE}


def test_a_name_that_is_not_there_leaves_nothing_behind(desk: Desk) -> None:
    with pytest.raises(NotFound):
        desk.download("f")

    assert desk.files == {}


def test_of_a_file_that_was_deleted_no_part_is_kept(desk: Desk) -> None:
    desk.network.server.put("f", LARGE)
    desk.break_for_good("f", 2 * MIB)
    os.unlink(desk.network.server.root / "f")

    with pytest.raises(NotFound):
        desk.download("f")

    assert desk.files == {}


def test_many_files_are_asked_for_ahead(desk: Desk) -> None:
    contents = {f"f{number}": LARGE[number : number * 1000] for number in range(100)}
    for name, content in contents.items():
        desk.network.server.put(name, content)

    desk.download(*contents)

    assert desk.files == contents
    assert desk.network.connections == 1


def test_a_break_among_many_files_fetches_none_of_those_that_are_here(desk: Desk) -> None:
    names = [f"f{number:02}" for number in range(60)]
    for name in names:
        desk.network.server.put(name, LARGE[:20_000])
    desk.network.cuts_down = [800_000]

    desk.download(*names)

    assert set(desk.files) == set(names)
    assert desk.network.down < 60 * 20_300 + 20_000


def test_one_missing_file_does_not_keep_the_others(desk: Desk) -> None:
    desk.network.server.put("a", b"a")
    desk.network.server.put("c", b"c")

    with pytest.raises(SomeFailed, match="1 of 3"):
        desk.download("a", "b", "c")

    assert desk.files == {"a": b"a", "c": b"c"}
    assert list(desk.notes.failures) == [str(desk.directory / "b")]


def test_a_place_that_cannot_be_written_does_not_keep_the_others(desk: Desk) -> None:
    desk.network.server.put("a", b"a")
    desk.network.server.put("b", b"b")
    nowhere = str(desk.directory / "missing" / "a")

    with pytest.raises(SomeFailed):
        desk.network.run(
            desk.downloads().run(
                [Download("a", partial(place_at, nowhere), nowhere), desk.wanted("b")]
            )
        )

    assert desk.files == {"b": b"b"}


@pytest.mark.parametrize("others", [(), ("g", "h")])
def test_a_full_disk_ends_the_run_and_keeps_what_arrived(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, others: tuple[str, ...]
) -> None:
    desk.network.server.put("f", LARGE)
    for name in others:
        desk.network.server.put(name, LARGE)
    real = os.pwrite

    def full(descriptor: int, data: bytes, offset: int) -> int:
        place = os.readlink(f"/proc/self/fd/{descriptor}")
        if place.endswith(".filesrv-part") and offset + len(data) > MIB:
            raise OSError(28, "No space left on device")
        return real(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", full)

    with pytest.raises(OSError, match="No space"):
        desk.download("f", *others)

    assert LARGE.startswith(desk.files[".f.filesrv-part"])
    assert desk.network.connections == 1
    assert desk.network.down < 2 * MIB


def test_the_rate_is_kept(desk: Desk) -> None:
    desk.network.server.put("f", LARGE)
    started = desk.network.reactor.seconds()

    desk.download("f", pace=Pace(desk.network.reactor, 500_000))

    seconds = desk.network.reactor.seconds() - started
    assert seconds == pytest.approx(len(LARGE) / 500_000, rel=0.1)


def test_what_was_left_of_a_small_file_is_in_nobodys_way(desk: Desk) -> None:
    desk.network.server.put("f", b"small")
    for suffix, left in ((".filesrv-part", LARGE), (".filesrv-part.json", b"{}")):
        (desk.directory / f".f{suffix}").write_bytes(left)

    desk.download("f")

    assert desk.files == {"f": b"small"}


def test_a_note_without_its_file_is_not_left_beside_a_small_one(desk: Desk) -> None:
    desk.network.server.put("f", b"small")
    (desk.directory / ".f.filesrv-part.json").write_bytes(b"{}")
    (desk.directory / ".f.filesrv-part.blocks").write_bytes(b"d" * 32)

    desk.download("f")

    assert desk.files == {"f": b"small"}


def test_a_small_file_that_another_process_is_at_is_left_to_that(desk: Desk) -> None:
    desk.network.server.put("f", b"small")
    with (desk.directory / ".f.filesrv-part").open("wb") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)

        with pytest.raises(Busy):
            desk.download("f")

    assert desk.files == {".f.filesrv-part": b""}


def test_a_small_file_that_has_grown_since_it_was_listed_arrives_whole(desk: Desk) -> None:
    desk.network.server.put("f", b"small")
    wanted = desk.wanted("f")
    desk.network.server.put("f", LARGE)

    desk.network.run(desk.downloads().run([wanted]))

    assert desk.files == {"f": LARGE}


def test_a_small_file_that_breaks_in_the_middle_goes_on_from_there(desk: Desk) -> None:
    desk.network.server.put("f", LARGE[:100_000])
    desk.network.cuts_down = [60_000]

    desk.download("f")

    assert desk.files == {"f": LARGE[:100_000]}
    assert desk.network.connections == 2
    assert desk.network.down < 102_000
    assert [(each.size, each.moved) for each in desk.notes.summaries] == [(100_000, 100_000)]


def test_a_small_file_that_cannot_be_written_gets_no_name(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.network.server.put("f", b"small")

    def full(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="space"):
        desk.download("f")

    assert "f" not in desk.files
