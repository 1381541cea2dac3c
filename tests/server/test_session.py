"""Faults, slow and greedy peers, and other verbs than ours on a connection."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from filesrv.server import uploads
from filesrv.server.commands import COMMANDS, Verb
from filesrv.server.downloads import SMALL
from filesrv.server.lines import READ_SIZE as LINE_READ_SIZE
from filesrv.server.port import Port
from filesrv.server.session import BATCH
from filesrv.store.partials import Partial
from filesrv.transfer.send import GATHERED
from filesrv.wire.endings import Ending
from filesrv.wire.errors import ShuttingDown
from filesrv.wire.grammar import MAX_LINE, Command, Syntax
from filesrv.wire.names import MAX_NAME
from tests.support.logs import Log
from tests.support.memory import Client, Server
from tests.support.scripted import Conversation, chunks

MIB = 1024 * 1024

Run = Callable[[Port, Command], Coroutine[Any, Any, None] | None]


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], None]:
    """Make a function the verb TRY."""

    def make(run: Run) -> None:
        syntax = Syntax((), ("word",))
        monkeypatch.setitem(COMMANDS, "TRY", Verb(run, syntax, "a verb of this test"))

    return make


def broken(port: Port, command: Command) -> None:
    raise RuntimeError(f"secret: {os.getcwd()}")


async def broken_later(port: Port, command: Command) -> None:
    await port.breathe()
    raise RuntimeError(f"secret: {os.getcwd()}")


class TestFaults:
    @pytest.mark.parametrize("run", [broken, broken_later])
    def test_a_fault_of_ours_is_one_reply_and_one_log_entry_and_the_conversation_goes_on(
        self, server: Server, verb: Callable[[Run], None], log: Log, run: Run
    ) -> None:
        log.faults_expected = 1
        verb(run)
        client = server.connect()

        answer = client.says(b"TRY\nECHO a\n")

        assert answer == b"ERR INTERNAL a fault of the server; its log has the details\na\n"
        [entry] = [line for line in log.lines if "Traceback" in line]
        assert "a fault of ours" in entry
        assert "secret" in entry

    def test_a_fault_during_an_upload_skips_the_rest_of_the_payload(
        self, conversation: Conversation, monkeypatch: pytest.MonkeyPatch, log: Log
    ) -> None:
        def write(self: Partial, data: bytes) -> None:
            raise RuntimeError(self.id)

        log.faults_expected = 11
        monkeypatch.setattr(uploads, "UNWRITTEN_SIZE", 0)
        monkeypatch.setattr(Partial, "write", write)
        conversation.check(
            b"UPLOAD f 13 0\nDELETE keep\n!ECHO a\n",
            "OK offset=0 length=13",
            "ERR INTERNAL",
            "a",
            files={},
            held=[],
        )

    @pytest.mark.parametrize(
        ("number", "code"),
        [
            (errno.ENOSPC, "NO_SPACE"),
            (errno.EDQUOT, "NO_SPACE"),
            (errno.EACCES, "DENIED"),
            (errno.EIO, "INTERNAL"),
        ],
    )
    def test_a_disk_that_fails_is_said_and_what_it_took_is_kept(
        self,
        conversation: Conversation,
        monkeypatch: pytest.MonkeyPatch,
        number: int,
        code: str,
    ) -> None:
        write = Partial.write

        def fail(self: Partial, data: bytes) -> None:
            room = max(0, 5 - self.size)
            write(self, data[:room])
            if len(data) > room:
                raise OSError(number, os.strerror(number), "/secret/path")

        monkeypatch.setattr(Partial, "write", fail)
        conversation.check(
            b"UPLOAD f 9 0\n12345ABCDECHO a\n",
            "OK offset=0 length=9",
            f"ERR {code}",
            "a",
            files={},
            held=[b"12345"],
        )

    def test_a_payload_of_more_than_1_mib_behind_a_failure_closes_the_connection(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, log: Log
    ) -> None:
        def fail(self: Partial, data: bytes) -> None:
            raise OSError(errno.ENOSPC, "full")

        monkeypatch.setattr(Partial, "write", fail)
        client = server.connect()

        answer = client.says(b"UPLOAD f %d\n" % (3 * MIB), b"x", b"ECHO not me\n")

        assert answer.splitlines()[1].startswith(b"ERR NO_SPACE ")
        assert len(answer.splitlines()) == 2
        assert client.end_seen

    def test_no_reply_to_anything_holds_a_path_or_a_traceback(
        self, server: Server, verb: Callable[[Run], None], log: Log
    ) -> None:
        verb(broken)
        log.faults_expected = 1
        server.put("d/f", b"x")
        (server.root / "link").symlink_to("/etc")
        os.mkfifo(server.root / "fifo")
        client = server.connect()
        for name in ("none", "d", "d/f", "d/f/g", "link", "link/passwd", "fifo", "../x", "/x", "."):
            for command in COMMANDS:
                if command not in ("CLOSE", "EXIT", "QUIT", "ECHO", "TRY"):
                    client.says(f"{command} {name}\n{command} {name} 1 0\nx\n".encode())
                    client.says(f"{command} {name} {name}\n".encode())
        client.says(b"TRY\n")

        for secret in (str(server.root), "Traceback", "Errno", "/tmp", "secret", "File "):
            assert secret.encode() not in client.received


class TestEndingFromOurSide:
    @pytest.mark.parametrize(
        "before",
        [b"", b"ECHO a\n", b"UPLOAD f 9\nabc", b"z" * 9000, b"UPLOAD ../f 9 0\nabc"],
        ids=["idle", "after a command", "receiving", "skipping a line", "skipping a payload"],
    )
    def test_whoever_is_not_being_sent_a_payload_is_told(
        self, server: Server, before: bytes
    ) -> None:
        client = server.connect()
        client.says(before)
        client.protocol.session.end(Ending.SERVER_STOPPED)
        server.settle()

        assert client.new() == b"ERR SHUTTING_DOWN %b\r\n" % ShuttingDown().words.encode()
        assert client.end_seen
        assert client.says(b"ECHO late\n") == b""

    def test_a_payload_on_its_way_out_is_cut_and_nothing_is_said_into_it(
        self, server: Server
    ) -> None:
        content = bytes(range(256)) * 4096
        server.put("f", content)
        client = server.connect()
        client.takes = 1000
        client.send(b"DOWNLOAD f\n")
        for _ in range(5):
            server.reactor.turn()
        client.protocol.session.end(Ending.SERVER_STOPPED)
        client.takes = MIB
        server.settle()

        payload = bytes(client.received).split(b"\n", 2)[2]
        assert content.startswith(payload)
        assert client.end_seen

    def test_a_slow_verb_ends_with_its_connection_and_answers_nothing_more(
        self, server: Server
    ) -> None:
        server.put("f", b"x" * 9 * MIB)
        client = server.connect()
        server.reactor.ticks = 0.01
        client.send(b"HASH f\n")
        for _ in range(3):
            server.reactor.turn()
        client.protocol.session.end(Ending.SERVER_STOPPED)
        server.reactor.ticks = 0.0
        server.settle()

        assert client.new() == b"ERR SHUTTING_DOWN %b\r\n" % ShuttingDown().words.encode()

    def test_a_verb_that_waits_for_ever_does_not_hold_a_lost_connection(
        self, server: Server, verb: Callable[[Run], None], log: Log
    ) -> None:
        waiting: Deferred[None] = Deferred()

        async def wait(port: Port, command: Command) -> None:
            await waiting
            port.reply("too late")

        verb(wait)
        client = server.connect()
        client.says(b"TRY\nECHO a\n")
        client.reset()
        waiting.callback(None)

        assert client.new() == b""
        assert log.lines[-1].endswith("left: reset")


class TestAsyncVerbs:
    def test_commands_that_come_while_one_is_answered_wait_for_it(
        self, server: Server, verb: Callable[[Run], None]
    ) -> None:
        waiting: list[Deferred[None]] = []

        async def wait(port: Port, command: Command) -> None:
            waiting.append(Deferred())
            await waiting[-1]
            port.reply(command.argument(0) or "")

        verb(wait)
        client = server.connect()
        client.says(
            b"TRY one\r\n", b"ECHO a\n", b"TRY two\nECHO b\r\n", b"\xff\xfb", b"\x18ECHO c\n"
        )
        assert (client.new(), len(waiting)) == (b"", 1)
        waiting[0].callback(None)
        server.settle()
        assert (client.new(), len(waiting)) == (b"OK one\r\na\n", 2)
        waiting[1].callback(None)
        server.settle()

        assert client.new() == b"OK two\nb\r\nc\n"

    def test_a_peer_that_half_closes_meanwhile_gets_the_answer(
        self, server: Server, verb: Callable[[Run], None]
    ) -> None:
        waiting: Deferred[None] = Deferred()

        async def wait(port: Port, command: Command) -> None:
            await waiting
            port.reply("done")

        verb(wait)
        client = server.connect()
        client.send(b"TRY\nECHO a\n")
        client.half_close()
        server.settle()
        waiting.callback(None)
        server.settle()

        assert client.new() == b"OK done\na\n"
        assert client.closed

    def test_an_end_that_is_told_while_a_verb_works_waits_for_it(
        self, server: Server, verb: Callable[[Run], None]
    ) -> None:
        waiting: Deferred[None] = Deferred()

        async def wait(port: Port, command: Command) -> None:
            await waiting
            port.reply("done")

        verb(wait)
        client = server.connect()
        client.says(b"TRY\nECHO a\n")
        # Some transports tell it also while they are not to read on.
        client.protocol.readConnectionLost()
        server.settle()
        assert not client.end_seen
        waiting.callback(None)
        server.settle()

        assert client.new() == b"OK done\na\n"

    def test_hashing_lets_others_have_their_turn(self, server: Server) -> None:
        server.put("f", b"x" * 20 * MIB)
        slow, quick = server.connect(), server.connect()
        server.reactor.ticks = 0.003
        slow.send(b"HASH f\n")
        turns = 0
        while not slow.new():
            quick.send(b"ECHO %d\n" % turns)
            server.reactor.turn()
            assert quick.new() == b"%d\n" % turns
            turns += 1

        assert turns > 4
        server.reactor.ticks = 0.0

    def test_a_file_that_changes_while_it_is_hashed_has_no_digest(self, server: Server) -> None:
        server.put("f", b"x" * 9 * MIB)
        client = server.connect()
        server.reactor.ticks = 0.01
        client.send(b"HASH f\n")
        for _ in range(3):
            server.reactor.turn()
        with (server.root / "f").open("ab") as file:
            file.write(b"more")
        server.reactor.ticks = 0.0
        server.settle()

        assert client.new().startswith(b"ERR CHANGED ")

    def test_a_digest_is_remembered_until_the_file_changes(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.put("f", b"x" * MIB)
        client = server.connect()
        reads: list[int] = []
        pread = os.pread

        def counted(descriptor: int, length: int, offset: int) -> bytes:
            reads.append(length)
            return pread(descriptor, length, offset)

        monkeypatch.setattr(os, "pread", counted)
        for algorithm in (b"sha256", b"blake3", b"blake3-4m"):
            first = client.says(b"HASH f %b\n" % algorithm)
            assert reads
            reads.clear()
            assert client.says(b"HASH f %b\n" % algorithm) == first
            assert not reads
        server.put("f", b"y" * MIB)
        client.says(b"HASH f\n")
        assert reads


#: What one connection may hold of replies that nobody reads: Twisted's buffer, which is
#: full at 64 KiB, replies that are gathered, and the reply, or the piece of a long one,
#: that filled it.
LONGEST_REPLY = MAX_LINE + 2
LONGEST_PIECE = BATCH * (2 * MAX_NAME + 60)
BOUND = LINE_READ_SIZE + GATHERED + LONGEST_REPLY


class TestGreedyPeers:
    """A client that sends and never reads costs a bounded buffer."""

    def _flood(self, client: Client, line: bytes, total: int) -> tuple[int, int]:
        """Offer so many bytes of commands; how much was held at most, and read of them."""
        piece = line * (LINE_READ_SIZE // len(line))
        most = offered = 0
        while offered < total and len(client.on_its_way) < 4:
            client.send(piece)
            offered += len(piece)
            client.server.reactor.turn()
            most = max(most, client.transport.unsent)
        left = sum(map(len, client.on_its_way))
        return most, offered - left

    @pytest.mark.parametrize(
        ("line", "bound"),
        [
            (b"ECHO " + b"x" * 4000 + b"\n", BOUND),
            (b"ECHO\n", BOUND),
            (b"NONSENSE\n", BOUND),
            (b"HELP\n", BOUND),
            (b"DOWNLOAD small\n", BOUND),
            (b"DOWNLOAD bound\n", BOUND + SMALL),
            (b"STAT small\n", BOUND),
            (b"z" * 5000 + b"\n", BOUND),
            (b"LIST many\n", LINE_READ_SIZE + GATHERED + LONGEST_PIECE),
            # Answered, too, but by a reply that is not waited for.
            (b"\xff\xfd\x06\n", BOUND),
        ],
        ids=[
            *("echo", "empty", "unknown", "help", "download", "bound", "stat", "long", "list"),
            "telnet",
        ],
    )
    def test_who_sends_and_never_reads_is_not_read_from(
        self, server: Server, line: bytes, bound: int
    ) -> None:
        server.put("small", b"x" * 100)
        server.put("bound", b"x" * SMALL)
        for number in range(600):
            server.put(f"many/{number:0200}", b"")
        client = server.connect()
        client.takes = 0

        most, taken = self._flood(client, line, 100 * MIB)

        assert 0 < most <= bound
        # Of commands that wait for their turn, one read is held, and the rest of another.
        assert len(client.protocol._buffer) <= 2 * LINE_READ_SIZE
        # No reply is shorter than a byte, so that no more commands were answered.
        assert taken <= (most + 1) * len(line) + 2 * LINE_READ_SIZE

    @pytest.mark.parametrize("takes", [1, 7])
    def test_who_reads_a_few_bytes_at_a_time_gets_all_replies_and_costs_no_more(
        self, server: Server, takes: int
    ) -> None:
        client = server.connect()
        client.takes = takes
        lines = b"".join(b"ECHO %d\n" % number for number in range(20_000))
        client.send(*chunks(lines, 10_000))
        most = 0
        while server.reactor.turn():
            most = max(most, client.transport.unsent)
            if most > LINE_READ_SIZE - 1000:  # In a thousand years it would be done.
                client.takes = 50_000

        assert LINE_READ_SIZE - 1000 < most <= BOUND
        assert client.new().split() == [b"%d" % number for number in range(20_000)]

    def test_a_download_that_nobody_reads_costs_a_bounded_buffer(self, server: Server) -> None:
        with (server.root / "f").open("wb") as file:
            file.truncate(100 * MIB)
        client = server.connect()
        client.takes = 0
        client.send(b"DOWNLOAD f\n" * 100)
        server.settle()

        assert client.transport.unsent <= LINE_READ_SIZE + 256 * 1024 + LONGEST_REPLY
        client.reset()

    def test_100_mb_of_commands_of_which_the_answers_are_read_are_all_answered(
        self, server: Server
    ) -> None:
        client = server.connect()
        client.takes = LINE_READ_SIZE
        line = b"ECHO " + b"x" * 4000 + b"\n"
        count = 100 * MIB // len(line)
        answered = 0
        for _ in range(0, count, 16):
            client.send(line * 16)
            server.settle()
            answered += len(client.received)
            client.received.clear()
            assert client.transport.unsent == 0
        assert answered >= count * 4001

    @pytest.mark.parametrize(
        "line", [b"UPLOAD ../f 900 0\nabc", b"UPLOAD f 900 0\nabc"], ids=["refused", "taken"]
    )
    def test_a_peer_whose_payload_does_not_come_for_the_stall_time_is_let_go(
        self, server: Server, line: bytes
    ) -> None:
        client = server.connect()
        client.says(line)
        for _ in range(31):
            server.pass_time(10)

        assert b"ERR STALLED " in client.new()
        assert client.end_seen

    def test_an_idle_peer_is_not_taken_for_one_that_stalls(self, server: Server) -> None:
        client = server.connect()
        client.says(b"ECHO a\n")
        for _ in range(50):
            server.pass_time(10)

        assert client.says(b"ECHO b\n") == b"b\n"

    def test_a_peer_that_takes_no_reply_for_the_stall_time_is_let_go(self, server: Server) -> None:
        server.put("f", bytes(MIB))
        client = server.connect()
        client.takes = 0
        client.says(b"DOWNLOAD f\n")
        for _ in range(40):
            server.pass_time(10)

        assert client.closed
        assert client.protocol.session.ending is Ending.STALLED
