"""DOWNLOAD: which bytes come, which are refused, and that they are one version's."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from filesrv.server.downloads import SMALL
from tests.support.logs import Log
from tests.support.memory import Client, Server, open_descriptors
from tests.support.scripted import Conversation

MIB = 1024 * 1024

#: Each byte tells where it is, so that bytes that are missing or double show.
CONTENT = b"".join(b"%07d\n" % number for number in range(MIB // 8))


def publish(name: str, content: bytes) -> Callable[[Server], None]:
    return lambda server: server.put(name, content)


def field(reply: bytes, key: bytes) -> bytes:
    found = re.search(rb" %b=(\S+)" % key, reply)
    assert found is not None, reply
    return found[1]


def begun(server: Server, line: bytes = b"DOWNLOAD f\n", *, takes: int = 1000) -> Client:
    """A download of which the client has read a little and then stopped reading."""
    client = server.connect()
    client.takes = takes
    client.send(line)
    for _ in range(5):
        server.reactor.turn()
    client.takes = 0
    server.settle()
    return client


def payload(received: bytes) -> bytes:
    """What came behind the first reply."""
    return received.split(b"\n", 1)[1]


class TestSending:
    def test_a_file_comes_whole_between_two_replies(self, conversation: Conversation) -> None:
        conversation.prepare = publish("f", b"hello\n\r\n\xff\x00")
        conversation.check(
            b"DOWNLOAD f\nECHO a\n",
            "OK offset=0 length=10 size=10 version=* modified=*",
            b"hello\n\r\n\xff\x00",
            "OK sent=10",
            "a",
        )

    @pytest.mark.parametrize(
        ("words", "offset", "length"),
        [
            (b"", 0, 10),
            (b" 0", 0, 10),
            (b" 3", 3, 7),
            (b" 10", 10, 0),
            (b" 3 4", 3, 4),
            (b" 3 0", 3, 0),
            (b" 3 7", 3, 7),
            (b" 3 8", 3, 7),
            (b" 0 9999999999999999999", 0, 10),
            (b" 0000000000000000003 1", 3, 1),
        ],
    )
    def test_the_client_says_which_bytes_come(
        self, conversation: Conversation, words: bytes, offset: int, length: int
    ) -> None:
        conversation.prepare = publish("f", b"0123456789")
        conversation.check(
            b"DOWNLOAD f" + words + b"\n",
            f"OK offset={offset} length={length} size=10 version=* modified=*",
            b"0123456789"[offset : offset + length],
            f"OK sent={length}",
        )

    @pytest.mark.parametrize("size", [SMALL - 1, SMALL, SMALL + 1])
    def test_a_file_as_large_as_is_sent_with_its_replies_and_one_byte_more_come_alike(
        self, conversation: Conversation, size: int
    ) -> None:
        content = CONTENT[:size]
        conversation.prepare = publish("f", content)
        conversation.check(
            b"DOWNLOAD f\nDOWNLOAD f 1\n",
            f"OK offset=0 length={size} size={size} version=* modified=*",
            content,
            f"OK sent={size}",
            f"OK offset=1 length={size - 1} size={size} version=* modified=*",
            content[1:],
            f"OK sent={size - 1}",
        )

    def test_an_empty_file_has_no_bytes_and_two_replies(self, conversation: Conversation) -> None:
        conversation.prepare = publish("f", b"")
        conversation.check(
            b"DOWNLOAD f\nDOWNLOAD f 0 5\nDOWNLOAD f 1\n",
            "OK offset=0 length=0 size=0 version=* modified=*",
            "OK sent=0",
            "OK offset=0 length=0 size=0 version=* modified=*",
            "OK sent=0",
            "ERR BAD_OFFSET size=0",
        )

    def test_the_first_reply_says_what_stat_says(self, server: Server) -> None:
        server.put("f", b"123")
        client = server.connect()
        stat, reply = client.says(b"STAT f\n"), client.says(b"DOWNLOAD f\n")

        for key in (b"size", b"modified", b"version"):
            assert field(stat, key) == field(reply, key)

    def test_the_last_reply_says_how_long_it_took_and_at_which_rate(self, server: Server) -> None:
        server.put("f", CONTENT)
        client = begun(server)
        server.pass_time(2)
        client.takes = MIB
        server.settle()

        assert client.received.endswith(b"\nOK sent=1048576 seconds=2.000 bitrate=4.2Mbit/s\n")

    def test_however_slowly_it_is_read_every_byte_comes(self, server: Server) -> None:
        server.put("f", CONTENT)
        for takes in (997, 65_536, MIB):
            client = server.connect()
            client.takes = takes
            assert payload(client.says(b"DOWNLOAD f\n")).startswith(CONTENT + b"OK sent=")


class TestRefusing:
    def test_what_is_no_file_is_not_found(self, conversation: Conversation) -> None:
        def prepare(server: Server) -> None:
            server.put("d/f", b"1")
            (server.root / "link").symlink_to("d/f")
            os.mkfifo(server.root / "fifo")

        conversation.prepare = prepare
        conversation.check(
            b"DOWNLOAD none\nDOWNLOAD d\nDOWNLOAD link\nDOWNLOAD fifo\nDOWNLOAD d/f/g\n"
            b"DOWNLOAD none resume\n",
            *["ERR NOT_FOUND"] * 6,
        )

    @pytest.mark.parametrize(
        "name", [b"../f", b"/etc/passwd", b".filesrv/registry.sqlite", b"d/../f", b"d/", b'""']
    )
    def test_no_name_leads_out(self, conversation: Conversation, name: bytes) -> None:
        conversation.check(b"DOWNLOAD " + name + b"\n", "ERR BAD_NAME")

    def test_an_offset_beyond_the_end_is_refused_with_the_size(
        self, conversation: Conversation
    ) -> None:
        conversation.prepare = publish("f", b"0123456789")
        conversation.check(
            b"DOWNLOAD f 11\nDOWNLOAD f 9999999999999999999\nECHO a\n",
            *["ERR BAD_OFFSET size=10"] * 2,
            "a",
        )

    @pytest.mark.parametrize("words", [b"-1", b"x", b"RESUME", b"0 x", b"0 -1", b"1 2 3", b"if"])
    def test_what_is_no_number_is_refused(self, conversation: Conversation, words: bytes) -> None:
        conversation.prepare = publish("f", b"0123456789")
        conversation.check(b"DOWNLOAD f " + words + b"\n", "ERR BAD_ARGUMENTS")

    def test_another_version_than_was_asked_for_is_refused(self, server: Server) -> None:
        client = server.connect()
        client.says(b"UPLOAD f 5 0\nfirst")
        version = field(client.says(b"STAT f\n"), b"version")

        reply = client.says(b"DOWNLOAD f 2 if=%b\n" % version)
        assert payload(reply).startswith(b"rstOK sent=3")
        client.says(b"UPLOAD f 5 0\nother")
        assert client.says(b"DOWNLOAD f 2 if=%b\n" % version).startswith(b"ERR CHANGED ")
        assert client.says(b"DOWNLOAD f if=nonsense\n").startswith(b"ERR CHANGED ")


class TestOneVersion:
    def test_a_file_that_is_replaced_meanwhile_is_read_to_its_end(self, server: Server) -> None:
        server.put("f", CONTENT)
        reader = begun(server)
        writer = server.connect("192.0.2.2")
        writer.says(b"UPLOAD f %d 0\n" % len(CONTENT), b"X" * len(CONTENT))
        assert server.files() == {"f": b"X" * len(CONTENT)}

        reader.takes = MIB
        server.settle()

        assert payload(bytes(reader.received[-MIB - 500 :])).count(b"X") == 0
        assert CONTENT in reader.received

    @pytest.mark.parametrize("line", [b"DELETE f\n", b"RENAME f g\n"])
    def test_a_file_that_is_deleted_or_renamed_meanwhile_is_read_to_its_end(
        self, server: Server, line: bytes
    ) -> None:
        server.put("f", CONTENT)
        reader = begun(server)
        assert server.connect("192.0.2.2").says(line) == b"OK\n"

        reader.takes = MIB
        server.settle()

        assert CONTENT + b"OK sent=" in reader.received

    def test_a_file_that_somebody_shortens_ends_the_connection_and_not_in_a_reply(
        self, server: Server, log: Log
    ) -> None:
        log.faults_expected = 1
        server.put("f", CONTENT)
        reader = begun(server)
        os.truncate(server.root / "f", 1000)

        reader.takes = MIB
        server.settle()

        assert reader.closed
        received = payload(bytes(reader.received[reader.received.index(b"OK offset") :]))
        assert CONTENT.startswith(received)

    def test_two_downloads_of_one_client_at_once_do_not_disturb_each_other(
        self, server: Server
    ) -> None:
        server.put("f", CONTENT)
        first, second = begun(server), begun(server)
        for client in (second, first):
            client.takes = 10_007
            server.settle()
            assert CONTENT + b"OK sent=" in client.received
        assert server.connect().asks(b"PENDING") == ["OK lines=0"]


class TestResuming:
    def test_it_goes_on_where_the_connection_broke(self, server: Server) -> None:
        server.put("f", CONTENT)
        broken = begun(server)
        version = field(bytes(broken.received), b"version")
        broken.reset()
        [line] = server.connect().asks(b"PENDING")[1:]
        assert re.fullmatch(r"download \d+ 1048576 \S+Z f last=reset", line)
        offset = int(line.split()[1])

        reply = server.connect().says(b"DOWNLOAD f resume\n")

        assert int(field(reply, b"offset")) == offset > 0
        assert field(reply, b"version") == version
        assert field(reply, b"last") == b"reset"
        assert payload(reply).startswith(CONTENT[offset:] + b"OK sent=")
        assert server.connect().asks(b"PENDING") == ["OK lines=0"]

    def test_with_nothing_to_go_on_with_it_starts_at_0(self, conversation: Conversation) -> None:
        conversation.prepare = publish("f", b"0123456789")
        conversation.check(
            b"DOWNLOAD f resume\n",
            "OK offset=0 length=10 size=10 version=* modified=*",
            b"0123456789",
            "OK sent=10",
        )

    def test_a_file_that_changed_is_not_joined_to_what_was_there(self, server: Server) -> None:
        server.put("f", CONTENT)
        begun(server).reset()
        server.connect("192.0.2.2").says(b"UPLOAD f 5 0\nother")

        client = server.connect()
        assert client.says(b"DOWNLOAD f resume\n").startswith(b"ERR CHANGED ")
        assert payload(client.says(b"DOWNLOAD f\n")).startswith(b"otherOK sent=5")
        assert payload(client.says(b"DOWNLOAD f resume\n")).startswith(b"otherOK sent=5")

    def test_a_connection_that_still_looks_alive_makes_way(self, server: Server) -> None:
        server.put("f", CONTENT)
        old = begun(server)
        received = bytes(old.received)
        old.die()

        reply = server.connect().says(b"DOWNLOAD f resume\n")

        offset = int(field(reply, b"offset"))
        assert field(reply, b"last") == b"taken-over"
        assert payload(reply).startswith(CONTENT[offset:])
        assert old.received == received

    def test_a_download_that_goes_on_again_is_pending_once(self, server: Server) -> None:
        server.put("f", CONTENT)
        begun(server).reset()
        begun(server, b"DOWNLOAD f resume\n")

        first, *lines = server.connect().asks(b"PENDING")

        assert first == "OK lines=1"
        assert lines[0].startswith("download ")

    def test_how_far_it_is_is_known_after_a_kill(self, server: Server) -> None:
        server.put("f", CONTENT)
        begun(server)
        server.shelves.record()
        [before] = server.connect().asks(b"PENDING")[1:]
        server.kill()

        client = server.connect()
        assert client.asks(b"PENDING")[1:] == [before]
        offset = int(before.split()[1])
        assert payload(client.says(b"DOWNLOAD f resume\n")).startswith(CONTENT[offset:])


def test_no_file_stays_open(server: Server, tmp_path: Path) -> None:
    server.put("f", CONTENT)
    before = open_descriptors(tmp_path)
    begun(server).reset()
    begun(server).die()
    client = server.connect()
    client.says(b"DOWNLOAD f\nDOWNLOAD f resume\nDOWNLOAD f 99999999\nDOWNLOAD f if=x\nHASH f\n")
    os.truncate(server.root / "f", MIB - 1)
    client.says(b"DOWNLOAD f resume\n")
    for protocol in list(server.factory.connections):
        protocol.abort()
    server.settle()

    assert open_descriptors(tmp_path) == before
