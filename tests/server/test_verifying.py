"""SUMS and COMMIT: that what arrived is what was sent, found and repaired block by block."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path

import pytest
from blake3 import blake3

from filesrv.server.trust import restored_digests
from filesrv.store.partials import Partial
from tests.support.memory import Server
from tests.support.scripted import Conversation
from tests.support.torn import killed_within

BLOCK = 4 * 1024 * 1024
CONTENT = os.urandom(BLOCK) + os.urandom(BLOCK) + b"the rest"


def sums(content: bytes) -> list[str]:
    """The digests of the blocks, written down without our code."""
    return [
        blake3(content[start : start + BLOCK]).hexdigest()
        for start in range(0, len(content), BLOCK)
    ]


def digest(content: bytes) -> str:
    return blake3(b"".join(bytes.fromhex(line) for line in sums(content))).hexdigest()


def ask(name: str, content: bytes) -> bytes:
    return f"COMMIT {name} blake3-4m={digest(content)}".encode()


class TestSums:
    def test_each_block_of_a_file_has_a_line(self, server: Server) -> None:
        server.put("f", CONTENT)
        server.put("empty", b"")
        server.put("one", CONTENT[:BLOCK])
        client = server.connect()

        assert client.asks(b"SUMS f") == ["OK lines=3 block=4194304", *sums(CONTENT)]
        assert client.asks(b"SUMS one") == ["OK lines=1 block=4194304", *sums(CONTENT[:BLOCK])]
        assert client.asks(b"SUMS empty") == ["OK lines=0 block=4194304"]

    def test_of_an_unfinished_upload_it_is_what_has_arrived(self, server: Server) -> None:
        server.put("f", b"the published one")
        client = server.connect()
        client.says(b"UPLOAD f %d\n" % len(CONTENT), CONTENT[: BLOCK + 5])
        client.reset()
        client = server.connect()
        arrived = ["OK lines=2 block=4194304", *sums(CONTENT[: BLOCK + 5])]

        assert client.asks(b"SUMS f") == arrived
        other = server.connect("192.0.2.2")
        assert other.asks(b"SUMS f") == ["OK lines=1 block=4194304", *sums(b"the published one")]
        server.connect().says(b"UPLOAD f %d\n" % len(CONTENT))
        assert client.asks(b"SUMS f") == arrived

    def test_what_is_not_there_is_refused(self, conversation: Conversation) -> None:
        conversation.check(
            b"SUMS none\nSUMS ../f\nSUMS\n", "ERR NOT_FOUND", "ERR BAD_NAME", "ERR BAD_ARGUMENTS"
        )

    def test_a_file_that_is_replaced_has_new_ones(self, server: Server) -> None:
        client = server.connect()
        for content in (b"first", b"second", b"third"):
            client.says(b"UPLOAD f %d 0\n%b" % (len(content), content))
            assert client.asks(b"SUMS f")[1:] == sums(content)
            assert client.asks(b"HASH f blake3-4m")[0].split()[1] == f"blake3-4m={digest(content)}"


class TestDownload:
    @pytest.mark.parametrize("content", [b"", b"hello", CONTENT], ids=["empty", "small", "large"])
    def test_the_reply_says_the_digest_of_the_whole_file_if_it_is_known(
        self, server: Server, content: bytes
    ) -> None:
        client = server.connect()
        client.says(b"UPLOAD f %d 0\n" % len(content), content)
        client.says(b"UPLOAD g %d 0\n" % len(content), content[::-1])

        for line in (b"DOWNLOAD f\n", b"DOWNLOAD f %d\n" % (len(content) // 2)):
            first = client.says(line).split(b"\n")[0].decode()
            assert f" blake3-4m={digest(content)}" in first


class TestCommit:
    def test_nothing_shows_before_the_digest_agrees(self, conversation: Conversation) -> None:
        conversation.check(
            b"UPLOAD f 5 0 commit=ask\nhelloSTAT f\n%b\nDOWNLOAD f\nPENDING\n" % ask("f", b"hello"),
            "OK offset=0 length=5",
            "OK size=5 received=5",
            "OK size=5 modified=* version=* stored=5",
            "OK stored=f size=5 version=*",
            "OK offset=0 length=5 size=5 version=* modified=*",
            b"hello",
            "OK sent=5",
            "OK lines=0",
            files={"f": b"hello"},
            held=[],
        )

    @pytest.mark.parametrize("payload", [b"xyzECHO more\n", b"xy"], ids=["whole", "in part"])
    def test_the_same_name_again_before_it_ends_the_connection_and_publishes_nothing(
        self, server: Server, payload: bytes
    ) -> None:
        client = server.connect()
        said = client.says(b"UPLOAD f 3 0 commit=ask\nabcUPLOAD f 3 0\n" + payload)

        assert b"ERR TAKEN_OVER" in said
        assert b"OK stored" not in said
        assert b"more" not in said
        assert not (server.root / "f").exists()

    def test_who_begins_the_same_anew_in_that_turn_takes_it_over_and_leaves_nothing_of_it(
        self, server: Server
    ) -> None:
        first, second = server.connect(), server.connect()
        first.send(b"UPLOAD f 3 0 commit=ask\nabc")
        second.send(b"UPLOAD f 3 0 commit=ask\nxyz" + ask("f", b"xyz") + b"\n")
        server.settle()

        assert b"ERR TAKEN_OVER" in first.new()
        assert b"OK stored=f" in second.new()
        assert server.files() == {"f": b"xyz"}
        assert server.held() == []
        assert not server.shelves.uploads.active

    def test_who_goes_on_with_it_in_that_turn_is_told_that_all_of_it_is_here(
        self, server: Server
    ) -> None:
        first, second = server.connect(), server.connect()
        first.send(b"UPLOAD f 3 0 commit=ask\nabc")
        second.send(b"UPLOAD f 3\n")
        server.settle()

        assert second.new().startswith(b"OK offset=3 length=0 last=taken-over\nOK stored=f size=3")
        assert server.files() == {"f": b"abc"}

    def test_what_is_discarded_in_that_turn_is_not_published_by_it(self, server: Server) -> None:
        first, second = server.connect(), server.connect()
        first.send(b"UPLOAD f 3 0 commit=ask\nabc")
        second.send(b"DISCARD f\n" + ask("f", b"abc") + b"\n")
        server.settle()

        assert re.fullmatch(rb"OK\nERR NOT_FOUND .*\n", second.new())
        assert server.files() == {}
        assert server.held() == []
        assert not server.shelves.uploads.active

    def test_another_digest_publishes_nothing_and_keeps_all(
        self, conversation: Conversation
    ) -> None:
        conversation.prepare = lambda server: server.put("f", b"old")
        conversation.check(
            b"UPLOAD f 5 0 commit=ask\nhellO%b\nDOWNLOAD f\n" % ask("f", b"hello"),
            "OK offset=0 length=5",
            "OK size=5 received=5",
            f"ERR BAD_CHECKSUM blake3-4m={digest(b'hellO')}",
            "OK offset=0 length=3 size=3 version=* modified=*",
            b"old",
            "OK sent=3",
            files={"f": b"old"},
            held=[b"hellO"],
        )

    def test_a_difference_is_found_and_sent_again_from_there(self, server: Server) -> None:
        wrong = bytearray(CONTENT)
        wrong[BLOCK + 17] ^= 1
        client = server.connect()
        client.says(b"UPLOAD f %d 0 commit=ask\n" % len(CONTENT), bytes(wrong))
        assert client.asks(ask("f", CONTENT))[0].startswith("ERR BAD_CHECKSUM ")

        first, *theirs = client.asks(b"SUMS f")
        assert first == "OK lines=3 block=4194304"
        differ = [index for index, line in enumerate(sums(CONTENT)) if line != theirs[index]]
        assert differ == [1]
        client.says(b"UPLOAD f %d %d commit=ask\n" % (len(CONTENT), BLOCK), CONTENT[BLOCK:])
        [line] = client.asks(ask("f", CONTENT))

        assert re.fullmatch(rf"OK stored=f size={len(CONTENT)} version=\S+", line)
        assert server.files() == {"f": CONTENT}

    @pytest.mark.parametrize("how", ["restart", "kill"])
    def test_it_may_come_after_a_restart(self, server: Server, how: str) -> None:
        server.connect().says(b"UPLOAD f 9 0 commit=ask\n", b"123456789")
        getattr(server, how)()

        [line] = server.connect().asks(ask("f", b"123456789"))

        assert line.startswith("OK stored=f size=9 ")
        assert server.files() == {"f": b"123456789"}

    def test_an_empty_file_is_committed_too(self, conversation: Conversation) -> None:
        conversation.check(
            b"UPLOAD f 0 0 commit=ask\n%b\n" % ask("f", b""),
            "OK offset=0 length=0",
            "OK size=0 received=0",
            "OK stored=f size=0 version=*",
            files={"f": b""},
            held=[],
        )

    def test_capital_digits_are_digits(self, server: Server) -> None:
        client = server.connect()
        client.says(b"UPLOAD f 5 0 commit=ask\nhello")

        line = f"COMMIT f blake3-4m={digest(b'hello').upper()}".encode()
        assert client.asks(line)[0].startswith("OK stored=f ")

    def test_what_is_not_whole_or_not_there_is_refused(self, conversation: Conversation) -> None:
        def prepare(server: Server) -> None:
            server.put("published", b"hello")
            client = server.connect()
            client.says(b"UPLOAD half 5 0 commit=ask\n", b"hel")
            client.reset()

        conversation.prepare = prepare
        conversation.check(
            b"%b\n%b\n%b\nCOMMIT half\nCOMMIT half blake3-4m=12\nCOMMIT half sha256=%b\n"
            % (
                ask("half", b"hello"),
                ask("none", b"hello"),
                ask("published", b"hello"),
                digest(b"hello").encode(),
            ),
            "ERR BAD_OFFSET stored=3",
            *["ERR NOT_FOUND"] * 2,
            *["ERR BAD_ARGUMENTS"] * 3,
            files={"published": b"hello"},
            held=[b"hel"],
        )

    def test_a_name_that_was_taken_meanwhile_is_not_replaced_where_that_was_asked(
        self, server: Server
    ) -> None:
        client = server.connect()
        client.says(b"UPLOAD f 5 0 commit=ask if-absent=yes\nhello")
        server.put("f", b"taken")

        assert client.asks(ask("f", b"hello"))[0].startswith("ERR EXISTS ")
        assert server.files() == {"f": b"taken"}
        (server.root / "f").unlink()
        assert client.asks(ask("f", b"hello"))[0].startswith("OK stored=f ")

    def test_the_time_that_was_asked_for_is_kept_till_then(self, server: Server) -> None:
        client = server.connect()
        client.says(b"UPLOAD f 5 0 commit=ask modified=2001-02-03T04:05:06.789Z\nhello")
        server.restart()

        assert server.connect().asks(ask("f", b"hello"))[0].startswith("OK stored=f ")
        assert (server.root / "f").stat().st_mtime_ns == 981_173_106_789_000_000


class TestTrust:
    """What is held is not believed where it may not be as it arrived."""

    def _broken(self, server: Server, length: int) -> Path:
        client = server.connect()
        client.says(b"UPLOAD f %d\n" % len(CONTENT), CONTENT[:length])
        client.reset()
        [place] = [
            place
            for place in (server.root / ".filesrv" / "partial").iterdir()
            if place.suffix != ".blocks"
        ]
        return place

    def _damage(self, place: Path, at: int) -> None:
        with place.open("r+b") as file:
            file.seek(at)
            file.write(b"damage")
        os.utime(place, (0, 2**33))  # long after the connection broke

    def test_a_partial_file_that_somebody_wrote_into_is_cut_to_what_is_good(
        self, server: Server
    ) -> None:
        self._damage(self._broken(server, 2 * BLOCK + 3), BLOCK + 99)

        client = server.connect()
        reply = client.asks(b"UPLOAD f %d" % len(CONTENT))[0]

        assert reply.startswith(f"OK offset={BLOCK} ")
        client.says(CONTENT[BLOCK:])
        assert server.files() == {"f": CONTENT}

    @pytest.mark.parametrize(
        ("at", "good"), [(99, 0), (BLOCK + 99, BLOCK), (2 * BLOCK + 1, 2 * BLOCK)]
    )
    def test_what_was_flushed_is_no_better_where_somebody_wrote_into_it_before_a_new_boot(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, good: int
    ) -> None:
        server = Server(tmp_path / "flushed", durable=True)
        self._damage(self._broken(server, 2 * BLOCK + 3), at)
        for module in ("filesrv.store.registry", "filesrv.server.trust"):
            monkeypatch.setattr(f"{module}.boot_id", lambda: "another boot")

        client = server.connect()
        reply = client.asks(b"UPLOAD f %d" % len(CONTENT))[0]

        assert reply.startswith(f"OK offset={good} ")
        client.says(CONTENT[good:])
        assert server.files() == {"f": CONTENT}
        server.close()

    @pytest.mark.parametrize("asked", [b"", b"SUMS f\n"], ids=["at once", "after SUMS"])
    def test_after_a_kill_within_a_write_no_more_than_a_block_is_read_again(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, asked: bytes
    ) -> None:
        place = self._broken(server, BLOCK + 3)
        partial = server.shelves.uploads.partials.open(place.name)
        partial.seal(restored_digests(partial).end())
        killed_within(partial.write, place, CONTENT[BLOCK + 3 : BLOCK + 2003], monkeypatch)
        partial.close()
        monkeypatch.setattr("filesrv.disk.moments.AT_ONCE", 10**10)
        if asked:
            server.connect().says(asked)
            # The mark was long ago by now, and its file has another time.
            monkeypatch.setattr("filesrv.disk.moments.AT_ONCE", -1)
        read = []
        real = Partial.read

        def counted(partial: Partial, offset: int, length: int) -> bytes:
            data = real(partial, offset, length)
            read.append(len(data))
            return data

        monkeypatch.setattr(Partial, "read", counted)
        client = server.connect()
        reply = client.asks(b"UPLOAD f %d" % len(CONTENT))[0]

        assert reply.startswith(f"OK offset={BLOCK + 1003} ")
        assert sum(read) == 1003
        client.says(CONTENT[BLOCK + 1003 :])
        assert server.files() == {"f": CONTENT}

    def test_digests_that_do_not_fit_are_not_believed_either(self, server: Server) -> None:
        place = self._broken(server, BLOCK + 3)
        place.with_name(place.name + ".blocks").write_bytes(b"?" * 64)
        os.utime(place, (0, 2**33))

        assert server.connect().asks(b"UPLOAD f %d" % len(CONTENT))[0].startswith("OK offset=0 ")

    def test_a_partial_file_that_vanished_is_begun_anew(self, server: Server) -> None:
        self._broken(server, 10).unlink()

        assert server.connect().asks(b"STAT f")[0].startswith("ERR NOT_FOUND ")
        assert server.connect().asks(b"UPLOAD f %d" % len(CONTENT))[0].startswith("OK offset=0 ")

    @pytest.mark.parametrize("asked", [b"SUMS f\n", b"UPLOAD f %d\n" % len(CONTENT)])
    def test_what_somebody_writes_during_the_check_is_not_believed_either(
        self, server: Server, asked: bytes
    ) -> None:
        place = self._broken(server, 2 * BLOCK + 3)
        self._damage(place, 2 * BLOCK + 1)
        server.reactor.ticks = 0.01
        client = server.connect()
        client.send(asked)
        server.reactor.turn()
        assert client.new() == b""
        with place.open("r+b") as file:
            file.write(b"damage")
        os.utime(place, (0, 2**33 + 1))
        server.settle()
        server.reactor.ticks = 0.0

        client = server.connect()
        assert client.asks(b"UPLOAD f %d" % len(CONTENT))[0].startswith("OK offset=0 ")
        client.says(CONTENT)
        assert server.files() == {"f": CONTENT}

    def test_what_somebody_writes_all_the_time_is_refused(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place = self._broken(server, 2 * BLOCK + 3)
        self._damage(place, 2 * BLOCK + 1)
        times = itertools.count(2**33 + 1)
        real = Partial.read

        def written_meanwhile(partial: Partial, offset: int, length: int) -> bytes:
            os.utime(place, (0, next(times)))
            return real(partial, offset, length)

        monkeypatch.setattr(Partial, "read", written_meanwhile)
        reply = server.connect().asks(b"UPLOAD f %d" % len(CONTENT))[0]

        assert reply.startswith("ERR BAD_CHECKSUM somebody else writes into what arrived")

    def test_what_is_discarded_during_the_check_has_no_sums(self, server: Server) -> None:
        self._damage(self._broken(server, 2 * BLOCK + 3), 2 * BLOCK + 1)
        client, other = server.connect(), server.connect()
        server.reactor.ticks = 0.01
        client.send(b"SUMS f\n")
        server.reactor.turn()
        assert client.new() == b""
        other.send(b"DISCARD f\n")
        server.settle()
        server.reactor.ticks = 0.0

        assert client.new().startswith(b"ERR NOT_FOUND ")
        assert list((server.root / ".filesrv" / "partial").iterdir()) == []

    def test_the_check_lets_others_have_their_turn_and_may_be_overtaken(
        self, server: Server
    ) -> None:
        self._damage(self._broken(server, 2 * BLOCK + 3), 2 * BLOCK + 1)
        line = b"UPLOAD f %d\n" % len(CONTENT)
        slow, quick = server.connect(), server.connect()
        server.reactor.ticks = 0.01
        slow.send(line)
        server.reactor.turn()
        assert slow.new() == b""
        quick.send(line)
        server.settle()
        server.reactor.ticks = 0.0

        assert quick.new().startswith(b"OK offset=%d " % (2 * BLOCK))
        quick.says(CONTENT[2 * BLOCK :])
        slow.says(b"X" * 99)
        assert server.files()["f"] == CONTENT
