"""The verbs that move no payload: what each answers, and what each refuses."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from datetime import datetime, timezone

import pytest
from blake3 import blake3

from filesrv.server.commands import COMMANDS
from tests.support.memory import Server
from tests.support.scripted import Conversation

TOKEN = b"0123456789abcdef"


def with_files(**contents: bytes) -> Callable[[Server], None]:
    """A preparation that publishes files; C{__} in a name stands for a slash."""

    def prepare(server: Server) -> None:
        for name, content in contents.items():
            server.put(name.replace("__", "/"), content)

    return prepare


class TestEcho:
    def test_every_byte_behind_the_one_blank_comes_back(self, conversation: Conversation) -> None:
        conversation.check(
            b'ECHO   two  blanks and "a quote\necho\nECHO \nEcho\tx\ty \nECHO a=b \x00\x01\xc3\n',
            b'  two  blanks and "a quote\n\n\nx\ty \na=b \x00\x01\xc3\n',
        )


class TestTime:
    def test_the_time_is_rfc_3339_with_its_offset_from_utc(self, server: Server) -> None:
        [line] = server.connect().asks(b"TIME")

        answered = datetime.fromisoformat(line)
        assert answered == datetime.fromtimestamp(int(server.reactor.seconds()), timezone.utc)
        assert answered.utcoffset() is not None

    def test_time_passes(self, server: Server) -> None:
        client = server.connect()
        [before] = client.asks(b"TIME")
        server.pass_time(90)
        [after] = client.asks(b"TIME")

        seconds = datetime.fromisoformat(after) - datetime.fromisoformat(before)
        assert seconds.total_seconds() == 90

    def test_arguments_are_refused(self, conversation: Conversation) -> None:
        conversation.check(b"TIME now\nTIME now=yes\n", *["ERR BAD_ARGUMENTS"] * 2)


class TestGoodbye:
    @pytest.mark.parametrize("verb", [b"CLOSE", b"EXIT", b"QUIT", b"quit", b"Exit"])
    def test_the_server_says_goodbye_and_closes(
        self, conversation: Conversation, verb: bytes
    ) -> None:
        conversation.check(verb + b"\r\n", b"OK bye\r\n", closes=True)

    def test_a_goodbye_with_words_behind_it_is_none(self, conversation: Conversation) -> None:
        conversation.check(b"QUIT now\nECHO a\n", "ERR BAD_ARGUMENTS", "a")


class TestHelp:
    def test_there_is_a_line_for_each_command(self, server: Server) -> None:
        first, *lines = server.connect().asks(b"HELP")

        assert first == f"OK lines={len(lines)}"
        assert [line.split()[0] for line in lines] == list(COMMANDS)

    @pytest.mark.parametrize("verb", list(COMMANDS))
    def test_one_command_can_be_asked_for(self, server: Server, verb: str) -> None:
        first, line = server.connect().asks(f"help {verb.lower()}".encode())

        assert first == "OK lines=1"
        assert line == f"{COMMANDS[verb].syntax.usage(verb)} - {COMMANDS[verb].help}"

    def test_there_is_no_help_for_what_is_no_command(self, conversation: Conversation) -> None:
        conversation.check(
            b"HELP dance\nDANCE\nHELP a b\n",
            "ERR UNKNOWN_COMMAND",
            "ERR UNKNOWN_COMMAND",
            "ERR BAD_ARGUMENTS",
        )

    @pytest.mark.parametrize(
        "line",
        [
            b"\xff\xff\xff\xff",
            b"\xc3\xa9cho a",
            b"GET / HTTP/1.1",
            b"\x16\x03\x01",
            b"=",
            b'"ECHO" a',
        ],
    )
    def test_what_is_no_command_harms_nothing(
        self, conversation: Conversation, line: bytes
    ) -> None:
        conversation.check(line + b"\nECHO a\n", "ERR UNKNOWN_COMMAND", "a")

    @pytest.mark.parametrize(
        "verb", [verb for verb, row in COMMANDS.items() if row.syntax.required and verb != "ECHO"]
    )
    def test_a_verb_without_its_arguments_is_refused_with_its_usage(
        self, server: Server, verb: str
    ) -> None:
        [line] = server.connect().asks(verb.encode())

        assert line == f"ERR BAD_ARGUMENTS usage: {COMMANDS[verb].syntax.usage(verb)}"

    @pytest.mark.parametrize("verb", [verb for verb in COMMANDS if verb != "ECHO"])
    def test_an_option_that_a_verb_does_not_have_is_refused(
        self, server: Server, verb: str
    ) -> None:
        words = [verb, *("1" for _ in COMMANDS[verb].syntax.required), "no-such-option=1"]
        [line] = server.connect().asks(" ".join(words).encode())

        assert line.startswith("ERR BAD_ARGUMENTS ")


class TestHello:
    @pytest.mark.parametrize("token", [TOKEN, b"A-_z" * 16, b"-" * 16])
    def test_a_client_is_who_its_token_says(self, conversation: Conversation, token: bytes) -> None:
        conversation.check(b"HELLO " + token + b"\n", b"OK client=" + token + b"\n")

    @pytest.mark.parametrize(
        "token",
        [
            b"short",
            b"x" * 15,
            b"x" * 65,
            b"0123456789abcde!",
            b"0123456789abcde.",
            b"192.168.100.100.1",
            "０１２３４５６７８９abcdef".encode(),
            b'"0123456789abcdef "',
        ],
    )
    def test_a_token_of_other_letters_or_another_length_is_refused(
        self, conversation: Conversation, token: bytes
    ) -> None:
        conversation.check(b"HELLO " + token + b"\n", "ERR BAD_ARGUMENTS")


class TestList:
    def test_files_and_directories_are_listed_by_name_with_size_and_time(
        self, conversation: Conversation
    ) -> None:
        def prepare(server: Server) -> None:
            server.put("b", b"12345")
            server.put("a b", b"")
            server.put('q"\\', b"x")
            server.put("dir/c", b"123")
            (server.root / "empty").mkdir()
            os.utime(server.root / "b", ns=(0, 1_700_000_000_250_000_000))
            os.utime(server.root / "dir", ns=(0, 0))

        conversation.prepare = prepare
        conversation.check(
            b'LIST\nLIST dir\nLIST dir/\nLIST empty\nLIST b\nLIST dir/c\nLIST ""\n',
            "OK lines=5",
            re.compile(r'0 \S+Z "a b"'),
            "5 2023-11-14T22:13:20.25Z b",
            "- 1970-01-01T00:00:00Z dir/",
            re.compile(r"- \S+Z empty/"),
            re.compile(r'1 \S+Z "q\\"\\\\"'),
            "OK lines=1",
            re.compile(r"3 \S+Z dir/c"),
            "OK lines=1",
            re.compile(r"3 \S+Z dir/c"),
            "OK lines=0",
            "OK lines=1",
            "5 2023-11-14T22:13:20.25Z b",
            "OK lines=1",
            re.compile(r"3 \S+Z dir/c"),
            "OK lines=5",
            *[re.compile(".*")] * 5,
        )

    @pytest.mark.parametrize(
        "name", [b"..", b"/", b"/etc", b"a//", b".filesrv", b".filesrv/", b"\xff"]
    )
    def test_nothing_outside_the_root_is_listed(
        self, conversation: Conversation, name: bytes
    ) -> None:
        # 0xFF stands twice in a line.
        conversation.check(b"LIST " + name.replace(b"\xff", b"\xff\xff") + b"\n", "ERR BAD_NAME")

    def test_what_is_not_there_or_not_served_is_not_found(self, conversation: Conversation) -> None:
        def prepare(server: Server) -> None:
            server.put("f", b"")
            (server.root / "link").symlink_to("/etc")

        conversation.prepare = prepare
        conversation.check(b"LIST nowhere\nLIST link\nLIST f/\nLIST f/g\n", *["ERR NOT_FOUND"] * 4)

    def test_a_listed_name_can_be_pasted_back(self, server: Server) -> None:
        for name in ("with blank", 'q"uote', "back\\slash", "a=b", "ünï", "tail ", "-"):
            server.put(name, name.encode())
        client = server.connect()

        _, *lines = client.asks(b"LIST")
        for line in lines:
            pasted = line.split(" ", 2)[2]
            assert client.asks(f"STAT {pasted}".encode())[0].startswith("OK size=")

    def test_a_directory_of_thousands_is_listed_whole_to_a_slow_reader(
        self, server: Server
    ) -> None:
        for number in range(3000):
            server.put(f"f{number:04}", b"")
        client = server.connect()
        client.takes = 333

        first, *lines = client.asks(b"LIST")

        assert first == "OK lines=3000"
        assert [line.split()[2] for line in lines] == [f"f{n:04}" for n in range(3000)]


class TestStat:
    def test_size_time_and_version_of_a_file(self, server: Server) -> None:
        server.put("f", b"12345")
        os.utime(server.root / "f", ns=(0, 1_700_000_000_000_000_001))
        [line] = server.connect().asks(b"STAT f")

        assert re.fullmatch(
            r"OK size=5 modified=2023-11-14T22:13:20\.000000001Z version=[0-9a-f]+-5", line
        )

    def test_the_version_changes_with_every_change_and_not_without(self, server: Server) -> None:
        client = server.connect()
        seen = set()
        for content in (b"12345", b"54321", b"1234", b"12345"):
            client.says(b"UPLOAD f %d 0\n%b" % (len(content), content))
            [line] = client.asks(b"STAT f")
            assert client.asks(b"STAT f") == [line]
            seen.add(line.split("version=")[1])

        assert len(seen) == 4

    def test_what_is_no_file_is_not_found_and_the_reply_says_the_name(self, server: Server) -> None:
        server.put("dir/f", b"")
        (server.root / "link").symlink_to("dir/f")
        os.mkfifo(server.root / "fifo")
        client = server.connect()

        for name in (b"none", b"dir", b"link", b"fifo", b"dir/f/g", b"none/g"):
            [line] = client.asks(b"STAT " + name)
            assert line.startswith("ERR NOT_FOUND ")
            assert name.decode() in line


class TestDelete:
    def test_files_and_empty_directories_are_removed(self, conversation: Conversation) -> None:
        conversation.prepare = with_files(f=b"1", d__g=b"2", e=b"3")
        conversation.check(
            b"DELETE f\nDELETE f\nDELETE d\nDELETE d/g\nDELETE d/\nSTAT d\n",
            "OK",
            "ERR NOT_FOUND",
            "ERR EXISTS",
            "OK",
            "OK",
            "ERR NOT_FOUND",
            files={"e": b"3"},
        )

    @pytest.mark.parametrize(
        "name", [b"..", b"/", b"/etc/passwd", b".filesrv", b".filesrv/lock", b"."]
    )
    def test_nothing_of_the_server_or_outside_is_removed(
        self, conversation: Conversation, name: bytes
    ) -> None:
        conversation.check(b"DELETE " + name + b"\n", "ERR BAD_NAME")


class TestRename:
    def test_a_file_gets_another_name_and_replaces_who_had_it(
        self, conversation: Conversation
    ) -> None:
        conversation.prepare = with_files(f=b"1", g=b"2", h=b"3")
        conversation.check(
            b'RENAME f "new dir/deep/f"\nRENAME g h\nRENAME g h\n',
            "OK",
            "OK",
            "ERR NOT_FOUND",
            files={"new dir/deep/f": b"1", "h": b"2"},
        )

    def test_a_directory_is_renamed_with_all_in_it_and_replaces_nothing(
        self, conversation: Conversation
    ) -> None:
        def prepare(server: Server) -> None:
            server.put("d/f", b"1")
            server.put("d/g/h", b"2")
            server.put("file", b"3")
            server.put("full/f", b"4")
            (server.root / "empty").mkdir()

        conversation.prepare = prepare
        conversation.check(
            b"RENAME d file\nRENAME d full\nRENAME d empty\nRENAME file full\nRENAME d d/g/d\n"
            b"RENAME d file/d\nRENAME d e/\nRENAME e e\nRENAME file file\n",
            *["ERR EXISTS"] * 4,
            "ERR BAD_NAME",
            "ERR EXISTS",
            "OK",
            "OK",
            "OK",
            files={"e/f": b"1", "e/g/h": b"2", "file": b"3", "full/f": b"4"},
        )

    @pytest.mark.parametrize("name", [b"../f", b"/f", b".filesrv/f", b"a//b", b"."])
    def test_no_name_leads_out(self, conversation: Conversation, name: bytes) -> None:
        conversation.prepare = with_files(f=b"1")
        conversation.check(
            b"RENAME f %b\nRENAME %b f\n" % (name, name),
            *["ERR BAD_NAME"] * 2,
            files={"f": b"1"},
        )

    def test_a_refused_rename_leaves_no_directories_behind(self, server: Server) -> None:
        client = server.connect()

        assert client.asks(b"RENAME none a/b/c")[0].startswith("ERR NOT_FOUND")
        assert client.asks(b"LIST") == ["OK lines=0"]


class TestNoOverwrite:
    def test_what_is_published_is_not_changed(self, conversation: Conversation) -> None:
        conversation.prepare = with_files(f=b"1", d__g=b"2")
        conversation.options["overwrite"] = False
        conversation.check(
            b"DELETE f\nDELETE d\nRENAME f h\nRENAME f d/g\nDELETE none\nRENAME none f\n"
            b"UPLOAD f 1 0\nxUPLOAD f 1\nUPLOAD f 1 0 if-absent=no\nxUPLOAD new 1 0\ny"
            b"UPLOAD new 1 0\nzDELETE ../f\n",
            *["ERR EXISTS"] * 4,
            *["ERR NOT_FOUND"] * 2,
            *["ERR EXISTS"] * 3,
            "OK offset=0 length=1",
            "OK stored=new size=1 received=1",
            "ERR EXISTS",
            "ERR BAD_NAME",
            files={"f": b"1", "d/g": b"2", "new": b"y"},
        )


class TestHash:
    def test_the_digests_are_those_of_the_tools(self, server: Server) -> None:
        content = bytes(range(256)) * 20_000  # two blocks
        server.put("f", content)
        server.put("empty", b"")
        client = server.connect()
        blocks = [content[: 4 << 20], content[4 << 20 :]]
        digests = b"".join(blake3(block).digest() for block in blocks)

        assert client.asks(b"HASH f") == [
            f"OK sha256={hashlib.sha256(content).hexdigest()} size={len(content)}"
        ]
        assert client.asks(b"HASH f sha256") == client.asks(b"HASH f")
        assert client.asks(b"HASH f blake3") == [
            f"OK blake3={blake3(content).hexdigest()} size={len(content)}"
        ]
        assert client.asks(b"HASH f blake3-4m") == [
            f"OK blake3-4m={blake3(digests).hexdigest()} size={len(content)}"
        ]
        assert client.asks(b"HASH empty blake3-4m") == [
            f"OK blake3-4m={blake3(b'').hexdigest()} size=0"
        ]

    def test_other_algorithms_and_what_is_no_file_are_refused(
        self, conversation: Conversation
    ) -> None:
        conversation.prepare = with_files(d__f=b"1")
        conversation.check(
            b"HASH d/f md5\nHASH d/f SHA256\nHASH none\nHASH d\nHASH ../f\n",
            *["ERR BAD_ARGUMENTS"] * 2,
            *["ERR NOT_FOUND"] * 2,
            "ERR BAD_NAME",
        )
