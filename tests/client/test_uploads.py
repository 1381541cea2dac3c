"""Uploads over a network in memory: each arrives once and whole, whatever breaks."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from filesrv.client.errors import GaveUp, SomeFailed
from filesrv.client.journal import Journal
from filesrv.client.uploads import SMALL, Upload, Uploads
from filesrv.transfer.pace import Pace
from filesrv.wire.errors import BadName, Exists
from tests.client.network import MIB, Network, Notes


class Desk:
    """Where a test uploads from."""

    def __init__(self, network: Network, directory: Path) -> None:
        self.network = network
        self.directory = directory
        self.notes = Notes()
        (directory / "journal").mkdir()

    def file(self, name: str, content: bytes) -> Path:
        path = self.directory / name
        path.write_bytes(content)
        return path

    def uploads(self, **more: object) -> Uploads:
        recovery = self.network.recovery(tell=self.notes.trouble)
        return Uploads(
            self.network.reactor,
            recovery,
            self.notes,
            Journal(self.directory / "journal", "there"),
            **more,  # type: ignore[arg-type]
        )

    def break_for_good(self, name: str, sent: int) -> None:
        """A run that is killed after so many bytes."""
        self.network.cuts_up = [sent]
        self.network.after_connects(1, refuse=1)
        running = self.network.begin(self.uploads().run([Upload(str(self.directory / name), name)]))
        self.network.pass_until(lambda: self.network.refusals == 0)
        running.addErrback(lambda _: None)
        running.cancel()
        self.network.reactor.settle()

    def upload(self, *names: str, **more: object) -> None:
        uploads = [Upload(str(self.directory / name), name) for name in names]
        self.network.run(self.uploads(**more).run(uploads))


@pytest.fixture
def desk(network: Network, tmp_path: Path) -> Desk:
    return Desk(network, tmp_path)


def content(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


LARGE = content(3 * MIB + 17)


@pytest.mark.parametrize("size", [0, 1, SMALL, SMALL + 1, len(LARGE)])
def test_a_file_of_any_size_arrives_whole(desk: Desk, size: int) -> None:
    desk.file("f", LARGE[:size])

    desk.upload("f")

    assert desk.network.server.files() == {"f": LARGE[:size]}
    assert [(each.size, each.moved) for each in desk.notes.summaries] == [(size, size)]


def test_a_files_time_is_kept_to_the_nanosecond(desk: Desk) -> None:
    path = desk.file("f", b"x")
    os.utime(path, ns=(1, 1_234_567_890_123_456_789))

    desk.upload("f")

    found = os.stat(desk.network.server.root / "f")
    assert found.st_mtime_ns == 1_234_567_890_123_456_789


@pytest.mark.parametrize("cut", [1, 40, 400, SMALL, MIB + 1, 3 * MIB])
def test_after_a_break_only_the_missing_bytes_are_sent(desk: Desk, cut: int) -> None:
    desk.file("f", LARGE)
    desk.network.cuts_up = [cut]

    desk.upload("f")

    assert desk.network.server.files() == {"f": LARGE}
    assert desk.network.connections == 2
    assert desk.network.up < len(LARGE) + 1024  # the commands


def test_many_breaks_at_random_bytes_end_in_the_same_file(desk: Desk) -> None:
    chance = random.Random(7)
    desk.file("f", LARGE)
    desk.network.cuts_up = sorted(chance.sample(range(len(LARGE)), 12))

    desk.upload("f")

    assert desk.network.server.files() == {"f": LARGE}
    assert desk.network.connections == 13


def test_progress_never_runs_backwards_and_counts_no_byte_twice(desk: Desk) -> None:
    desk.file("f", LARGE)
    desk.network.cuts_up = [200_000, 400_000, 600_000, 2_000_000, 3_000_000]

    desk.upload("f")

    positions = [position for _, position in desk.notes.positions]
    assert positions == sorted(positions)
    assert desk.notes.moved == len(LARGE)


def test_a_later_run_goes_on_where_an_earlier_one_was_killed(desk: Desk) -> None:
    desk.file("f", LARGE)
    desk.break_for_good("f", 2 * MIB)
    sent = desk.network.up

    desk.upload("f")

    assert desk.network.server.files() == {"f": LARGE}
    assert desk.network.up - sent < len(LARGE) - MIB
    assert desk.notes.summaries[0].moved < len(LARGE) - MIB


def test_the_second_half_never_comes_from_another_file(desk: Desk) -> None:
    """Same size, other content: between two tries of one run."""
    path = desk.file("f", LARGE)
    other = content(len(LARGE), seed=2)
    desk.network.cuts_up = [MIB]
    desk.network.after_connects(1, refuse=2)
    running = desk.network.begin(desk.uploads().run([Upload(str(path), "f")]))
    desk.network.pass_until(lambda: desk.network.refusals == 1)
    path.write_bytes(other)

    desk.network.finish(running)

    assert desk.network.server.files() == {"f": other}
    assert "changed" in desk.notes.words[0]


def test_the_second_half_never_comes_from_another_run(desk: Desk) -> None:
    path = desk.file("f", LARGE)
    other = content(len(LARGE), seed=2)
    desk.break_for_good("f", MIB)
    os.unlink(path)
    path.write_bytes(other)

    desk.upload("f")

    assert desk.network.server.files() == {"f": other}
    assert "changed" in desk.notes.words[0]


def test_a_file_that_becomes_shorter_is_sent_anew(desk: Desk) -> None:
    path = desk.file("f", LARGE)
    running = desk.network.begin(
        desk.uploads(pace=Pace(desk.network.reactor, MIB)).run([Upload(str(path), "f")])
    )
    desk.network.pass_until(lambda: desk.network.up > MIB)
    path.write_bytes(b"short")

    desk.network.finish(running)

    assert desk.network.server.files() == {"f": b"short"}


def test_a_source_that_is_gone_is_not_waited_for(desk: Desk) -> None:
    path = desk.file("f", LARGE)
    desk.network.cuts_up = [MIB]
    desk.network.after_connects(1, refuse=1)
    running = desk.network.begin(desk.uploads().run([Upload(str(path), "f")]))
    os.unlink(path)

    with pytest.raises(FileNotFoundError):
        desk.network.finish(running, within=5)


def test_many_small_files_need_not_wait_for_each_other(desk: Desk) -> None:
    names = [f"f{number}" for number in range(100)]
    for number, name in enumerate(names):
        desk.file(name, content(number * 10, seed=number))

    desk.upload(*names)

    files = desk.network.server.files()
    assert files == {name: (desk.directory / name).read_bytes() for name in names}
    assert len(desk.notes.summaries) == 100
    assert desk.network.connections == 1


def test_a_break_among_many_files_sends_none_of_those_that_were_stored(desk: Desk) -> None:
    names = [f"f{number:02}" for number in range(60)]
    for name in names:
        desk.file(name, content(20_000))
    desk.network.cuts_up = [800_000]

    desk.upload(*names)

    assert set(desk.network.server.files()) == set(names)
    assert desk.network.up < 60 * 20_000 + 32 * 20_000 + 10_000  # at most what was in flight


def test_one_refused_name_does_not_keep_the_others(desk: Desk) -> None:
    for name in ("good", "bad\x1b", "better"):
        desk.file(name, b"x")

    with pytest.raises(SomeFailed, match="1 of 3"):
        desk.upload("good", "bad\x1b", "better")

    assert set(desk.network.server.files()) == {"good", "better"}
    (error,) = desk.notes.failures.values()
    assert isinstance(error, BadName)


def test_if_absent_leaves_what_is_there(desk: Desk) -> None:
    desk.file("f", b"new")
    desk.file("large", LARGE)
    desk.network.server.put("f", b"old")
    desk.network.server.put("large", b"old")

    with pytest.raises(SomeFailed, match="2 of 2"):
        desk.upload("f", "large", if_absent=True)

    assert desk.network.server.files() == {"f": b"old", "large": b"old"}
    assert all(isinstance(error, Exists) for error in desk.notes.failures.values())


@pytest.mark.parametrize("size", [10, len(LARGE)])
def test_a_file_whose_last_reply_was_lost_is_not_sent_again(desk: Desk, size: int) -> None:
    """Not even where it would now be in its own way."""
    desk.file("f", LARGE[:size])
    # The first reply that is lost, to its last bytes, is the one that says "stored".
    probe = Network(desk.directory / "probe")
    replies = _replies_to_one_upload(probe, desk.directory / "f", desk.directory / "j2")
    probe.close()
    desk.network.cuts_down = [replies - 5]

    desk.upload("f", if_absent=True)

    assert desk.network.server.files() == {"f": LARGE[:size]}
    assert desk.network.connections == 2
    assert desk.network.up < 2 * SMALL + size


def _replies_to_one_upload(network: Network, path: Path, journal: Path) -> int:
    journal.mkdir()
    uploads = Uploads(network.reactor, network.recovery(), Notes(), Journal(journal, "there"))
    network.run(uploads.run([Upload(str(path), "f")]))
    return network.down


def test_a_server_that_stops_and_comes_back_gets_the_rest(desk: Desk) -> None:
    desk.file("f", LARGE)
    running = desk.network.begin(
        desk.uploads(pace=Pace(desk.network.reactor, MIB)).run(
            [Upload(str(desk.directory / "f"), "f")]
        )
    )
    desk.network.pass_until(lambda: desk.network.up > MIB)
    desk.network.refusals = 1  # while it is down
    desk.network.server.restart()

    desk.network.finish(running)

    assert desk.network.server.files() == {"f": LARGE}
    assert desk.network.up < len(LARGE) + MIB // 2


def test_nothing_but_refusals_ends_after_the_patience_with_everything_kept(desk: Desk) -> None:
    desk.file("f", LARGE)
    desk.network.cuts_up = [2 * MIB]
    desk.network.after_connects(1, refuse=1_000_000)
    running = desk.network.begin(desk.uploads().run([Upload(str(desk.directory / "f"), "f")]))

    with pytest.raises(GaveUp, match="refused"):
        desk.network.finish(running, within=95)

    (kept,) = desk.network.server.held()
    assert LARGE.startswith(kept)
    assert len(kept) > MIB


def test_the_rate_is_kept(desk: Desk) -> None:
    desk.file("f", LARGE)
    names = [desk.file(f"s{number}", content(50_000)).name for number in range(20)]
    started = desk.network.reactor.seconds()

    desk.upload("f", *names, pace=Pace(desk.network.reactor, 500_000))

    seconds = desk.network.reactor.seconds() - started
    assert seconds == pytest.approx((len(LARGE) + 20 * 50_000) / 500_000, rel=0.1)
