"""Changed bytes, wherever they change: found, sent again, and never published."""

from __future__ import annotations

import os
import random
from functools import partial
from pathlib import Path

import pytest

from filesrv.client.downloads import Download, Downloads
from filesrv.client.errors import NotVerified
from filesrv.client.journal import Journal
from filesrv.client.places import place_at
from filesrv.client.uploads import Upload, Uploads
from filesrv.transfer.pace import Pace
from tests.client.network import MIB, Network, Notes

BLOCK = 4 * MIB

#: Two whole blocks and one begun.
FILE = random.Random(7).randbytes(2 * BLOCK + MIB + 5)

#: Far behind the commands, far before the end.
IN_THE_SECOND_BLOCK = BLOCK + MIB


class Desk:
    """Both directions, from and to one directory."""

    def __init__(self, network: Network, directory: Path) -> None:
        self.network = network
        self.directory = directory
        self.notes = Notes()
        self.file = directory / "f"
        self.journal = Journal(_made(directory / "journal"), "there")

    def _uploads(self, verify: bool) -> Uploads:
        recovery = self.network.recovery(tell=self.notes.trouble)
        return Uploads(self.network.reactor, recovery, self.notes, self.journal, verify=verify)

    def upload(self, verify: bool = True) -> None:
        self.network.run(self._uploads(verify).run([Upload(str(self.file), "f")]))

    def downloads(self, verify: bool) -> Downloads:
        recovery = self.network.recovery(tell=self.notes.trouble)
        return Downloads(self.network.reactor, recovery, self.notes, "there", verify=verify)

    def download(self, verify: bool = True) -> None:
        wanted = Download("f", partial(place_at, str(self.file)), "f")
        self.network.run(self.downloads(verify).run([wanted]))

    def leave_upload(self, sent: int) -> None:
        """An upload that is killed after so many bytes."""
        self.network.cuts_up = [self.network.up + sent]
        self._leave(lambda: self._uploads(True).run([Upload(str(self.file), "f")]))

    def leave_download(self, came: int) -> None:
        """A download that is killed after so many bytes."""
        self.network.cuts_down = [self.network.down + came]
        wanted = Download("f", partial(place_at, str(self.file)), "f")
        self._leave(lambda: self.downloads(True).run([wanted]))

    def _leave(self, work: object) -> None:
        self.network.after_connects(1, refuse=1)
        running = self.network.begin(work())  # type: ignore[operator]
        self.network.pass_until(lambda: self.network.refusals == 0)
        running.addErrback(lambda _: None)
        running.cancel()
        self.network.reactor.settle()

    @property
    def partial_on_server(self) -> Path:
        """The one partial file that the server keeps."""
        kept = (self.network.server.root / ".filesrv" / "partial").iterdir()
        (path,) = (path for path in kept if path.suffix != ".blocks")
        return path


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def flip(path: Path, position: int) -> None:
    """Change one bit of a file."""
    with open(path, "r+b") as file:
        file.seek(position)
        (byte,) = file.read(1)
        file.seek(position)
        file.write(bytes([byte ^ 1]))


@pytest.fixture
def desk(network: Network, tmp_path: Path) -> Desk:
    return Desk(network, _made(tmp_path / "here"))


class TestOnTheWayUp:
    def test_a_changed_byte_costs_its_block_and_those_behind_it(self, desk: Desk) -> None:
        desk.file.write_bytes(FILE)
        desk.network.flips_up = {IN_THE_SECOND_BLOCK}

        desk.upload()

        assert desk.network.server.files() == {"f": FILE}
        assert desk.network.up < 2 * len(FILE) - BLOCK + 4096
        assert any("block 1" in words for words in desk.notes.words)

    def test_a_small_file_is_sent_again(self, desk: Desk) -> None:
        desk.file.write_bytes(FILE[:5000])
        desk.network.flips_up = {3000}

        desk.upload()

        assert desk.network.server.files() == {"f": FILE[:5000]}

    @pytest.mark.parametrize("size", [5000, len(FILE)])
    def test_a_way_that_changes_them_every_time_publishes_nothing(
        self, desk: Desk, size: int
    ) -> None:
        desk.file.write_bytes(FILE[:size])
        desk.network.server.put("f", b"old")
        desk.network.flips_up = range(2500, 100 * MIB, 4500)

        with pytest.raises(NotVerified, match="block"):
            desk.upload()

        assert desk.network.server.files() == {"f": b"old"}
        assert desk.network.server.held() == []

    def test_without_verification_it_is_taken_for_what_was_sent(self, desk: Desk) -> None:
        desk.file.write_bytes(FILE)
        desk.network.flips_up = {IN_THE_SECOND_BLOCK}

        desk.upload(verify=False)

        assert desk.network.server.files() != {"f": FILE}


def test_a_source_that_changes_behind_what_was_sent_is_sent_anew(desk: Desk) -> None:
    desk.file.write_bytes(FILE)
    pace = Pace(desk.network.reactor, BLOCK)
    recovery = desk.network.recovery()
    uploads = Uploads(desk.network.reactor, recovery, desk.notes, desk.journal, pace=pace)
    running = desk.network.begin(uploads.run([Upload(str(desk.file), "f")]))
    desk.network.pass_until(lambda: desk.network.up > BLOCK)
    flip(desk.file, 5)

    desk.network.finish(running)

    assert desk.network.server.files() == {"f": desk.file.read_bytes()}


class TestOnTheWayDown:
    def test_a_changed_byte_costs_one_block(self, desk: Desk) -> None:
        desk.network.server.put("f", FILE)
        desk.network.flips_down = {IN_THE_SECOND_BLOCK}

        desk.download()

        assert desk.file.read_bytes() == FILE
        assert desk.network.down < len(FILE) + BLOCK + 4096
        assert any("block 1" in words for words in desk.notes.words)

    def test_a_way_that_changes_them_every_time_leaves_the_old_file(self, desk: Desk) -> None:
        desk.file.write_bytes(b"old")
        desk.network.server.put("f", FILE)
        desk.network.flips_down = range(2 * MIB, 100 * MIB, MIB)

        with pytest.raises(NotVerified, match="block"):
            desk.download()

        assert desk.file.read_bytes() == b"old"
        assert sorted(os.listdir(desk.directory)) == ["f", "journal"]

    def test_a_file_that_is_replaced_before_it_is_compared_is_fetched_anew(
        self, desk: Desk
    ) -> None:
        desk.network.server.put("f", FILE)
        desk.leave_download(BLOCK)
        desk.network.server.put("f", FILE[::-1])

        desk.download()

        assert desk.file.read_bytes() == FILE[::-1]


class TestAtRest:
    @pytest.mark.parametrize("position", [0, BLOCK - 1, BLOCK, 2 * BLOCK - 1, 2 * BLOCK + 9])
    def test_a_bit_of_what_the_server_holds(self, desk: Desk, position: int) -> None:
        desk.file.write_bytes(FILE)
        desk.leave_upload(2 * BLOCK + MIB)
        flip(desk.partial_on_server, position)

        desk.upload()

        assert desk.network.server.files() == {"f": FILE}

    @pytest.mark.parametrize("position", [0, BLOCK - 1, BLOCK, 2 * BLOCK - 1, 2 * BLOCK + 9])
    def test_a_bit_of_what_is_here_of_a_download(self, desk: Desk, position: int) -> None:
        desk.network.server.put("f", FILE)
        desk.leave_download(2 * BLOCK + MIB)
        flip(desk.directory / ".f.filesrv-part", position)

        desk.download()

        assert desk.file.read_bytes() == FILE

    def test_a_bit_of_what_is_here_of_a_download_whose_time_was_put_back(self, desk: Desk) -> None:
        desk.network.server.put("f", FILE)
        desk.leave_download(2 * BLOCK + MIB)
        place = desk.directory / ".f.filesrv-part"
        a_while_ago = place.stat().st_mtime_ns - 10 * 10**9
        flip(place, IN_THE_SECOND_BLOCK)
        os.utime(place, ns=(a_while_ago, a_while_ago))

        desk.download()

        assert desk.file.read_bytes() == FILE

    def test_the_digests_beside_a_download(self, desk: Desk) -> None:
        desk.network.server.put("f", FILE)
        desk.leave_download(2 * BLOCK + MIB)
        flip(desk.directory / ".f.filesrv-part.blocks", 5)

        desk.download()

        assert desk.file.read_bytes() == FILE

    @pytest.mark.parametrize("position", [0, BLOCK, 2 * BLOCK + 9])
    def test_a_bit_of_the_source_between_two_tries(self, desk: Desk, position: int) -> None:
        desk.file.write_bytes(FILE)
        desk.leave_upload(2 * BLOCK + MIB)
        flip(desk.file, position)

        desk.upload()

        assert desk.network.server.files() == {"f": desk.file.read_bytes()}

    def test_the_digests_of_what_was_sent(self, desk: Desk) -> None:
        desk.file.write_bytes(FILE)
        desk.leave_upload(2 * BLOCK + MIB)
        (kept,) = (desk.directory / "journal").glob("*.blocks")
        flip(kept, 5)

        desk.upload()

        assert desk.network.server.files() == {"f": FILE}


class TestGoingOn:
    def test_an_upload_sends_nothing_twice_that_is_there_as_it_is_here(self, desk: Desk) -> None:
        desk.file.write_bytes(FILE)
        desk.leave_upload(2 * BLOCK + MIB)
        before = desk.network.up

        desk.upload()

        assert desk.network.server.files() == {"f": FILE}
        assert desk.network.up - before < 4096

    def test_a_download_reads_one_block_again_at_most(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        desk.network.server.put("f", FILE)
        desk.leave_download(2 * BLOCK + MIB)
        read = 0
        real = os.pread

        def counting(descriptor: int, size: int, offset: int) -> bytes:
            nonlocal read
            data = real(descriptor, size, offset)
            if "filesrv-part" in os.readlink(f"/proc/self/fd/{descriptor}"):
                read += len(data)
            return data

        monkeypatch.setattr(os, "pread", counting)

        desk.download()

        assert desk.file.read_bytes() == FILE
        assert read <= BLOCK


def test_a_small_download_that_arrived_as_something_else_is_fetched_again(desk: Desk) -> None:
    desk.network.server.put("f", FILE[:5000])
    desk.network.flips_down = {3000}
    wanted = Download("f", partial(place_at, str(desk.file)), "f", 5000)

    desk.network.run(desk.downloads(True).run([wanted]))

    assert desk.file.read_bytes() == FILE[:5000]
    assert any("did not arrive as sent" in words for words in desk.notes.words)


def test_a_small_download_that_never_arrives_as_sent_leaves_what_was_there(desk: Desk) -> None:
    desk.network.server.put("f", FILE[:5000])
    desk.network.flips_down = range(2500, 100 * MIB, 4500)
    desk.file.write_bytes(b"old")
    wanted = Download("f", partial(place_at, str(desk.file)), "f", 5000)

    with pytest.raises(NotVerified):
        desk.network.run(desk.downloads(True).run([wanted]))

    assert desk.file.read_bytes() == b"old"
    assert sorted(os.listdir(desk.directory)) == ["f", "journal"]
