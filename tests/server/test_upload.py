"""UPLOAD: where it goes on, what is refused, what is stored, and when it shows."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise

import pytest

from filesrv.server.lines import READ_SIZE
from filesrv.server.upload import UNWRITTEN_SIZE
from tests.support.memory import Server
from tests.support.scripted import Conversation, chunks

MIB = 1024 * 1024
MAX = 2**63 - 1


def half_of(content: bytes, size: int, name: bytes = b"f") -> Callable[[Server], None]:
    """A preparation in which this client broke off after C{content} of C{size} bytes."""

    def prepare(server: Server) -> None:
        client = server.connect()
        client.says(b"UPLOAD %b %d 0\n%b" % (name, size, content))
        client.reset()

    return prepare


def with_file(name: str, content: bytes) -> Callable[[Server], None]:
    return lambda server: server.put(name, content)


class TestStoring:
    def test_a_file_arrives_whole_and_the_conversation_goes_on(
        self, conversation: Conversation
    ) -> None:
        conversation.check(
            b"UPLOAD f 11 0\nECHO not meECHO me\nupload d/e/g 2 0\n\r\nECHO me too\n",
            "OK offset=0 length=11",
            "OK stored=f size=11 received=11",
            "me",
            "OK offset=0 length=2",
            "OK stored=d/e/g size=2 received=2",
            "me too",
            files={"f": b"ECHO not me", "d/e/g": b"\r\n"},
            held=[],
        )

    def test_every_byte_is_kept_as_it_came(self, conversation: Conversation) -> None:
        content = bytes(range(256)) * 100

        conversation.check(
            b"UPLOAD f %d 0\n%b" % (len(content), content),
            f"OK offset=0 length={len(content)}",
            f"OK stored=f size={len(content)} received={len(content)}",
            files={"f": content},
        )

    @pytest.mark.parametrize("bound", [READ_SIZE, UNWRITTEN_SIZE])
    @pytest.mark.parametrize("more", [-20, -1, 0, 1])
    def test_files_as_large_as_what_is_read_or_kept_in_memory_at_a_time_arrive_whole(
        self, conversation: Conversation, bound: int, more: int
    ) -> None:
        size = bound + more
        content = (bytes(range(256)) * 1024)[:size]
        conversation.check(
            b"ECHO a\nUPLOAD f %d 0\n" % size + content + b"ECHO b\n",
            "a",
            f"OK offset=0 length={size}",
            f"OK stored=f size={size} received={size}",
            "b",
            files={"f": content},
            held=[],
        )

    def test_an_empty_file_is_stored_at_once(self, conversation: Conversation) -> None:
        conversation.check(
            b"UPLOAD f 0\nUPLOAD g 0 0\nECHO a\n",
            "OK offset=0 length=0",
            "OK stored=f size=0 received=0",
            "OK offset=0 length=0",
            "OK stored=g size=0 received=0",
            "a",
            files={"f": b"", "g": b""},
            held=[],
        )

    def test_a_file_is_replaced(self, conversation: Conversation) -> None:
        conversation.prepare = with_file("f", b"old and longer")
        conversation.check(
            b"UPLOAD f 3 0\nnew",
            "OK offset=0 length=3",
            "OK stored=f size=3 received=3",
            files={"f": b"new"},
        )

    def test_names_with_blanks_quotes_and_options_in_them_are_stored_under_these(
        self, conversation: Conversation
    ) -> None:
        conversation.check(
            b'UPLOAD "a b" 1 0\n1UPLOAD "q\\"\\\\" 1 0\n2UPLOAD a=b 1 0\n3'
            b'UPLOAD "\xc3\xbc/\xe6\x96\x87" 1 0\n4',
            "OK offset=0 length=1",
            'OK stored="a b" size=1 received=1',
            "OK offset=0 length=1",
            'OK stored="q\\"\\\\" size=1 received=1',
            "OK offset=0 length=1",
            'OK stored="a=b" size=1 received=1',
            "OK offset=0 length=1",
            "OK stored=ü/文 size=1 received=1",
            files={"a b": b"1", 'q"\\': b"2", "a=b": b"3", "ü/文": b"4"},
        )

    def test_the_reply_says_how_long_it_took_and_at_which_rate(self, server: Server) -> None:
        client = server.connect()
        client.says(b"UPLOAD f 1000000\n", b"x" * 500_000)
        server.pass_time(2)

        assert client.says(b"x" * 500_000) == (
            b"OK stored=f size=1000000 received=1000000 seconds=2.000 bitrate=4.0Mbit/s\n"
        )

    @pytest.mark.parametrize(
        ("written", "nanoseconds"),
        [
            (b"2026-11-20T10:30:00Z", 1_795_170_600_000_000_000),
            (b"2026-11-20T11:30:00.25+01:00", 1_795_170_600_250_000_000),
            (b'"2026-11-20 10:30:00.123456789Z"', 1_795_170_600_123_456_789),
            (b"1970-01-01T00:00:00Z", 0),
            (b"1969-12-31T23:59:59Z", -1_000_000_000),
        ],
    )
    def test_the_time_of_modification_is_kept(
        self, server: Server, written: bytes, nanoseconds: int
    ) -> None:
        server.connect().says(b"UPLOAD f 1 0 modified=%b\nx" % written)

        assert os.stat(server.root / "f").st_mtime_ns == nanoseconds

    @pytest.mark.parametrize("written", [b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:59Z"])
    def test_a_time_that_the_disk_cannot_keep_does_no_harm(
        self, conversation: Conversation, written: bytes
    ) -> None:
        conversation.check(
            b"UPLOAD f 1 0 modified=%b\nx" % written,
            "OK offset=0 length=1",
            "OK stored=f size=1 received=1",
            files={"f": b"x"},
        )

    def test_a_file_of_several_blocks_arrives_whole(self, server: Server) -> None:
        content = os.urandom(9 * MIB + 1)
        client = server.connect()
        client.says(b"UPLOAD f %d\n" % len(content))

        client.says(*chunks(content, 1_000_003))

        assert server.files() == {"f": content}


class TestShowing:
    def test_until_the_last_byte_has_come_readers_get_the_old_file(self, server: Server) -> None:
        server.put("f", b"the old one")
        writer, reader = server.connect(), server.connect("192.0.2.2")

        for byte in (b"UPLOAD f 3 0\n", b"n", b"e"):
            writer.says(byte)
            assert reader.says(b"DOWNLOAD f\n").split(b"\n")[1].startswith(b"the old oneOK sent=")
        writer.says(b"w")

        assert server.files() == {"f": b"new"}

    def test_until_the_last_byte_has_come_a_new_name_is_not_found(self, server: Server) -> None:
        writer, reader = server.connect(), server.connect("192.0.2.2")
        writer.says(b"UPLOAD d/f 3 0\nne")

        assert reader.asks(b"STAT d/f")[0].startswith("ERR NOT_FOUND ")
        assert reader.asks(b"DOWNLOAD d/f")[0].startswith("ERR NOT_FOUND ")
        assert reader.asks(b"LIST") == ["OK lines=0"]

    def test_the_directory_of_a_name_may_vanish_while_it_is_uploaded(self, server: Server) -> None:
        server.put("d/e/other", b"")
        client = server.connect()
        client.says(b"UPLOAD d/e/f 3 0\nab")
        other = server.connect("192.0.2.2")
        for name in (b"d/e/other", b"d/e", b"d"):
            assert other.asks(b"DELETE " + name) == ["OK"]

        assert client.says(b"c").startswith(b"OK stored=d/e/f ")
        assert server.files() == {"d/e/f": b"abc"}

    def test_a_file_that_took_the_place_of_the_directory_is_kept_and_so_is_the_upload(
        self, server: Server
    ) -> None:
        client = server.connect()
        client.says(b"UPLOAD d/f 3 0\nab")
        server.put("d", b"a file")

        assert client.says(b"c\n").startswith(b"ERR EXISTS ")
        assert server.files() == {"d": b"a file"}
        assert server.held() == [b"abc"]
        assert client.asks(b"DELETE d") == ["OK"]
        assert client.asks(b"UPLOAD d/f 3")[0].startswith("OK offset=3 length=0")
        assert server.files() == {"d/f": b"abc"}

    def test_a_directory_that_took_the_name_is_kept(self, server: Server) -> None:
        client = server.connect()
        client.says(b"UPLOAD f 3 0\nab")
        (server.root / "f").mkdir()

        assert client.says(b"c").startswith(b"ERR EXISTS ")
        assert server.held() == [b"abc"]


class TestGoingOn:
    def test_without_an_offset_it_goes_on_where_it_broke(self, conversation: Conversation) -> None:
        conversation.prepare = half_of(b"hel", 5)
        conversation.check(
            b"UPLOAD f 5\nlo",
            "OK offset=3 length=2 last=reset",
            "OK stored=f size=5 received=2",
            files={"f": b"hello"},
            held=[],
        )

    def test_exactly_at_the_offset_that_was_named(self, conversation: Conversation) -> None:
        conversation.prepare = half_of(b"hel", 5)
        conversation.check(
            b"UPLOAD f 5 3\nlo",
            "OK offset=3 length=2 last=reset",
            "OK stored=f size=5 received=2",
            files={"f": b"hello"},
        )

    def test_what_is_held_beyond_the_offset_is_cut_off(self, conversation: Conversation) -> None:
        conversation.prepare = half_of(b"hXX", 5)
        conversation.check(
            b"UPLOAD f 5 1\nello",
            "OK offset=1 length=4 last=reset",
            "OK stored=f size=5 received=4",
            files={"f": b"hello"},
            held=[],
        )

    def test_an_offset_of_0_starts_over(self, conversation: Conversation) -> None:
        conversation.prepare = half_of(b"XXX", 5)
        conversation.check(
            b"UPLOAD f 5 0\nhello",
            "OK offset=0 length=5 last=reset",
            "OK stored=f size=5 received=5",
            files={"f": b"hello"},
            held=[],
        )

    def test_an_offset_beyond_what_is_held_is_refused_with_the_right_one(
        self, conversation: Conversation
    ) -> None:
        conversation.prepare = half_of(b"hel", 5)
        conversation.check(
            b"UPLOAD f 5 4\noUPLOAD f 5 5\nUPLOAD f 5 6\nUPLOAD f 5 3\nlo",
            *["ERR BAD_OFFSET stored=3"] * 3,
            "OK offset=3 length=2 last=reset",
            "OK stored=f size=5 received=2",
            files={"f": b"hello"},
        )

    def test_what_is_held_of_another_size_is_not_gone_on_with(
        self, conversation: Conversation
    ) -> None:
        conversation.prepare = half_of(b"XXX", 5)
        conversation.check(
            b"UPLOAD f 4 3\nXUPLOAD f 4\nfour",
            "ERR BAD_OFFSET stored=0",
            "OK offset=0 length=4 last=reset",
            "OK stored=f size=4 received=4",
            files={"f": b"four"},
            held=[],
        )

    def test_when_all_of_it_is_here_it_is_stored_at_once(self, server: Server) -> None:
        client = server.connect()
        client.says(b"UPLOAD f 3 0 if-absent=yes\nab")
        server.put("f", b"in the way")
        assert client.says(b"c").startswith(b"ERR EXISTS ")
        (server.root / "f").unlink()

        first, second = client.asks(b"UPLOAD f 3")
        assert first.startswith("OK offset=3 length=0")
        assert second.startswith("OK stored=f size=3 received=0 ")
        assert server.files() == {"f": b"abc"}

    def test_it_breaks_and_goes_on_at_every_byte(self, server: Server) -> None:
        content = b"every one of these bytes comes over a connection of its own"
        for offset in range(len(content)):
            client = server.connect()
            reply = client.says(b"UPLOAD f %d\n" % len(content))
            assert reply.startswith(b"OK offset=%d length=%d" % (offset, len(content) - offset))
            client.says(content[offset : offset + 1])
            client.reset()

        assert server.files() == {"f": content}

    def test_it_goes_on_within_and_at_the_edges_of_blocks(self, server: Server) -> None:
        block = 4 * MIB
        content = os.urandom(2 * block + 100)
        size = len(content)
        edges = [0, block - 1, block, block + 1, 2 * block, size]
        for start, end in pairwise(edges):
            client = server.connect()
            reply = client.says(b"UPLOAD f %d\n" % size)
            assert reply.startswith(b"OK offset=%d length=%d" % (start, size - start))
            client.says(content[start:end])
            client.reset()

        assert server.files() == {"f": content}

    @pytest.mark.parametrize("end", ["reset", "half_close"])
    def test_a_connection_that_ends_early_never_publishes_and_what_arrived_is_kept(
        self, server: Server, end: str
    ) -> None:
        client = server.connect()
        client.says(b"UPLOAD f 5 0\nhell")
        getattr(client, end)()
        server.settle()

        assert server.files() == {}
        assert server.held() == [b"hell"]
        assert client.closed

    def test_who_half_closes_too_early_is_told_how_much_is_here(
        self, conversation: Conversation
    ) -> None:
        conversation.prepare = half_of(b"hel", 9)
        conversation.check(
            b"UPLOAD f 9 3\nlo",
            "OK offset=3 length=6 last=reset",
            "ERR BAD_OFFSET stored=5",
            half_close=True,
            tail=False,
            files={},
            held=[b"hello"],
        )

    def test_an_upload_of_which_nothing_came_leaves_nothing(self, server: Server) -> None:
        client = server.connect()
        client.says(b"UPLOAD f 5\n")
        client.reset()

        assert server.held() == []
        assert server.connect().asks(b"PENDING") == ["OK lines=0"]

    def test_the_published_file_stays_while_a_newer_one_is_unfinished(
        self, conversation: Conversation
    ) -> None:
        def prepare(server: Server) -> None:
            server.put("f", b"old")
            half_of(b"new", 5)(server)

        conversation.prepare = prepare
        conversation.check(
            b"STAT f\nDOWNLOAD f\n",
            "OK size=3 modified=* version=* stored=3",
            "OK offset=0 length=3 size=3 version=* modified=*",
            b"old",
            "OK sent=3",
            files={"f": b"old"},
        )


class TestRefusing:
    @pytest.mark.parametrize(
        "line",
        [
            b"UPLOAD ../f 4 0",
            b"UPLOAD /f 4 0",
            b"UPLOAD .filesrv/f 4 0",
            b'UPLOAD "" 4 0',
            b"UPLOAD d//f 4 0",
            b"UPLOAD f/ 4 0",
            b"UPLOAD . 4 0",
            b"UPLOAD \xfe 4 0",
            b'UPLOAD "a\x1bb" 4 0',
            b"UPLOAD " + b"p" * 256 + b" 4 0",
            b"UPLOAD " + b"d/" * 512 + b"f 4 0",
        ],
    )
    def test_a_bad_name_is_refused_and_the_payload_behind_it_skipped(
        self, conversation: Conversation, line: bytes
    ) -> None:
        conversation.check(line + b"\nXYZ\nECHO a\n", "ERR BAD_NAME", "a", files={}, held=[])

    @pytest.mark.parametrize(
        "line",
        [
            b"UPLOAD f 4 0 unknown=1",
            b"UPLOAD f 4 0 more",
            b"UPLOAD f 4 0 if-absent=maybe",
            b"UPLOAD f 4 0 if-absent=yes if-absent=yes",
            b"UPLOAD f 4 if-absent=YES 0",
            b"UPLOAD f 4 0 modified=yesterday",
            b"UPLOAD f 4 0 modified=2026-02-30T00:00:00Z",
            b"UPLOAD f 9 5 modified=",
        ],
    )
    def test_bad_options_are_refused_and_the_payload_behind_them_skipped(
        self, conversation: Conversation, line: bytes
    ) -> None:
        conversation.check(line + b"\nXYZ\nECHO a\n", "ERR BAD_ARGUMENTS", "a", files={})

    @pytest.mark.parametrize(
        "line",
        [
            b"UPLOAD f",
            b"UPLOAD f x",
            b"UPLOAD f -1 0",
            b"UPLOAD f 1_0 0",
            b"UPLOAD f +1 0",
            "UPLOAD f ٣ 0".encode(),
            b"UPLOAD f 1e3",
            b"UPLOAD f 12345678901234567890 0",
            b"UPLOAD f 4 -0",
            b"UPLOAD f 4 resume",
            b'UPLOAD f "4 0',
        ],
    )
    def test_what_is_no_number_announces_no_payload(
        self, conversation: Conversation, line: bytes
    ) -> None:
        conversation.check(line + b"\nECHO a\n", "ERR BAD_ARGUMENTS", "a", files={})

    def test_without_an_offset_nothing_is_skipped(self, conversation: Conversation) -> None:
        conversation.check(b"UPLOAD ../f 7\nECHO a\n", "ERR BAD_NAME", "a", files={})

    @pytest.mark.parametrize("size", [2**63, 10**19 - 1])
    def test_a_size_that_no_disk_can_hold_is_too_large(
        self, conversation: Conversation, size: int
    ) -> None:
        conversation.check(b"UPLOAD f %d\nECHO a\n" % size, f"ERR TOO_LARGE limit={MAX}", "a")
        conversation.check(
            b"UPLOAD f %d %d\nxyzECHO a\n" % (size, size - 3), f"ERR TOO_LARGE limit={MAX}", "a"
        )

    def test_a_refused_payload_of_1_mib_is_skipped(self, conversation: Conversation) -> None:
        payload = b"DELETE keep\n" * (MIB // 12) + b"....."[: MIB % 12]
        conversation.prepare = with_file("keep", b"kept")
        conversation.check(
            b"UPLOAD ../f %d 0\n%bECHO a\n" % (len(payload), payload),
            "ERR BAD_NAME",
            "a",
            files={"keep": b"kept"},
        )

    def test_a_refused_payload_of_more_closes_the_connection(
        self, conversation: Conversation
    ) -> None:
        conversation.prepare = with_file("keep", b"kept")
        conversation.check(
            b"UPLOAD ../f %d 0\nDELETE keep\n" % (MIB + 1),
            "ERR BAD_NAME",
            closes=True,
            files={"keep": b"kept"},
        )

    def test_only_the_bytes_behind_the_offset_count(self, conversation: Conversation) -> None:
        conversation.check(
            b"UPLOAD ../f %d %d\nabcECHO a\n" % (10 * MIB, 10 * MIB - 3), "ERR BAD_NAME", "a"
        )
        conversation.check(b"UPLOAD ../f 3 4\nECHO a\n", "ERR BAD_NAME", "a")

    def test_a_name_that_leads_through_a_file_or_is_a_directorys_is_refused(
        self, conversation: Conversation
    ) -> None:
        conversation.prepare = with_file("d/f", b"1")
        conversation.check(
            b"UPLOAD d 1 0\nxUPLOAD d/f/g 1 0\nxUPLOAD d/f/g/h 1 0\nxUPLOAD d 0\n",
            *["ERR EXISTS"] * 4,
            files={"d/f": b"1"},
            held=[],
        )

    def test_a_name_behind_a_link_is_refused(self, conversation: Conversation) -> None:
        def prepare(server: Server) -> None:
            outside = server.root.parent / f"outside-{server.root.name}"
            outside.mkdir(exist_ok=True)
            (server.root / "link").symlink_to(outside)

        conversation.prepare = prepare
        conversation.check(b"UPLOAD link/f 1 0\nxECHO a\n", "ERR EXISTS", "a")
        assert not [p for p in conversation.place.rglob("f") if p.is_file()]

    def test_a_link_that_has_the_name_is_replaced_and_not_followed(self, server: Server) -> None:
        outside = server.root.parent / "outside"
        outside.write_bytes(b"untouched")
        (server.root / "f").symlink_to(outside)

        assert server.connect().says(b"UPLOAD f 3 0\nnew").count(b"OK ") == 2
        assert outside.read_bytes() == b"untouched"
        assert not (server.root / "f").is_symlink()


class TestIfAbsent:
    def test_a_new_name_is_stored_and_a_taken_one_refused(self, conversation: Conversation) -> None:
        conversation.prepare = with_file("f", b"first")
        conversation.check(
            b"UPLOAD f 3 0 if-absent=yes\nnewUPLOAD f 3 if-absent=yes\n"
            b"UPLOAD g 3 0 if-absent=yes\nnewUPLOAD f 2 0 if-absent=no\nno",
            *["ERR EXISTS"] * 2,
            "OK offset=0 length=3",
            "OK stored=g size=3 received=3",
            "OK offset=0 length=2",
            "OK stored=f size=2 received=2",
            files={"f": b"no", "g": b"new"},
        )

    def test_a_name_that_was_taken_meanwhile_is_not_replaced(self, server: Server) -> None:
        slow, quick = server.connect(), server.connect("192.0.2.2")
        slow.says(b"UPLOAD f 4 0 if-absent=yes\nslo")
        quick.says(b"UPLOAD f 5 0 if-absent=yes\nquick")

        assert slow.says(b"w").startswith(b"ERR EXISTS ")
        assert server.files() == {"f": b"quick"}
        assert server.held() == [b"slow"]
