"""
Symbolic links that somebody exchanges for directories and files while commands are at
work, with a real file system and a process that does nothing else.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from fuzz.scene import SECRET, snapshot
from tests.support.daemon import PATIENCE
from tests.support.flipping import flipping
from tests.support.memory import Server

#: Seconds of one race: some thousand exchanges, and some thousand commands.
FOR = 1.5


class Site:
    """
    A root with ``swap``, that is now a directory and now a link to one outside, and
    ``leaf``, that is now a file and now a link to one outside.
    """

    def __init__(self, place: Path) -> None:
        self.server = Server(place / "root")
        self.outside = place / "outside"
        for home in (self.outside, place / "root" / "swap", place / "root" / "d"):
            (home / "e").mkdir(parents=True)
            for name in ("x", "e/y"):
                (home / name).write_bytes(SECRET if home == self.outside else b"open to all")
        root = self.server.root
        (root / "leaf").write_bytes(b"open to all")
        os.symlink("../outside", root / "other-swap")
        os.symlink("../outside/x", root / "other-leaf")
        self.pairs = [(root / n, root / f"other-{n}") for n in ("swap", "leaf")]
        self.before = snapshot(self.outside)

    def race(self, verbs: Sequence[str], *commands: bytes) -> None:
        """
        Say this again and again, until each of C{verbs} has been answered C{OK} and C{ERR}
        more than ten times.
        """
        said: Counter[str] = Counter()
        client = self.server.connect()
        started = time.monotonic()
        wanted = [f"{verb} {answer}" for verb in verbs for answer in ("OK", "ERR")]
        with flipping(*self.pairs) as done:
            while time.monotonic() < started + FOR or min(said[one] for one in wanted) <= 10:
                assert time.monotonic() < started + PATIENCE, said
                for command in commands:
                    got = client.says(command)
                    assert SECRET not in got
                    assert b"INTERNAL" not in got
                    verb = command.split()[0].decode()
                    said[f"{verb} {got[:3].decode().strip()}"] += 1
        assert done.count > 100
        client.reset()
        assert snapshot(self.outside) == self.before


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.server.close()


def test_nothing_outside_is_read_through_a_link_that_comes_and_goes(site: Site) -> None:
    site.race(
        ("DOWNLOAD", "HASH", "STAT"),
        b"DOWNLOAD swap/x\n",
        b"DOWNLOAD swap/e/y\n",
        b"DOWNLOAD leaf\n",
        b"HASH leaf\n",
        b"SUMS swap/x\n",
        b"STAT leaf\n",
        b"STAT swap/x\n",
    )


def test_nothing_outside_is_listed_through_a_link_that_comes_and_goes(site: Site) -> None:
    (site.outside / "only-outside").write_bytes(b"")
    site.before = snapshot(site.outside)
    client = site.server.connect()
    seen = set()
    ends = time.monotonic() + FOR
    with flipping(*site.pairs):
        while time.monotonic() < ends:
            for name in (b"swap", b"swap/", b"swap/e"):
                answer = client.says(b"LIST %s\n" % name)
                assert b"only-outside" not in answer
                seen.add(answer[:3])

    assert seen == {b"OK ", b"ERR"}


def test_nothing_outside_is_written_or_removed_through_a_link_that_comes_and_goes(
    site: Site,
) -> None:
    site.race(
        ("UPLOAD", "RENAME", "DELETE"),
        b"UPLOAD swap/new/x 3 0\nnew",
        b"UPLOAD swap/x 3 0\nnew",
        b"UPLOAD swap/x 3 0 if-absent=yes\nnew",
        b"RENAME swap/x swap/e/z\n",
        b"RENAME swap/e/z d/x\n",
        b"RENAME d/x swap/e/y\n",
        b"DELETE swap/new/x\n",
        b"DELETE swap/e/y\n",
        b"DELETE swap/new\n",
    )


def test_an_upload_that_is_published_where_a_link_has_come_meanwhile_stays_inside(
    site: Site,
) -> None:
    root = site.server.root
    client = site.server.connect()
    client.says(b"UPLOAD swap/x 6 0\nnew")
    os.rename(root / "swap", root / "away")
    os.symlink("../outside", root / "swap")

    answer = client.says(b"est")

    assert answer.startswith(b"ERR EXISTS "), answer
    assert snapshot(site.outside) == site.before
    os.unlink(root / "swap")
    os.rename(root / "away", root / "swap")
    again = site.server.connect()
    assert b"OK stored=swap/x size=6 received=0 " in again.says(b"UPLOAD swap/x 6\n")
    assert (root / "swap" / "x").read_bytes() == b"newest"
