"""What a client costs the daemon that asks much, reads little, or moves much."""

from __future__ import annotations

import os
import select

import pytest

from tests.support.conversation import Conversation
from tests.support.daemon import PATIENCE, Daemon

MIB = 1024 * 1024

#: Bytes by which the daemon may grow for one client, whatever that does: the transport's
#: buffer of 64 KiB, a reply, what was read of lines, and what the allocator makes of it.
#: A daemon that kept what it owes would grow by the 100 MB that are sent here.
BOUND = 8 * MIB

COMMANDS = 100 * 1000 * 1000


def memory(daemon: Daemon) -> int:
    """Bytes of it that are in memory."""
    return int(daemon.status("VmRSS").split()[0]) * 1024


def fill(client: Conversation, data: bytes) -> int:
    """Send without reading a reply until the connection takes no more; how much it took."""
    client.socket.setblocking(False)
    sent = 0
    while sent < len(data):
        _, writable, _ = select.select([], [client.socket], [], 1.0)
        if not writable:
            break
        sent += client.socket.send(memoryview(data)[sent : sent + MIB])
    client.socket.setblocking(True)
    return sent


def slow_reader(daemon: Daemon) -> Conversation:
    """A connection whose kernel holds little, so that the daemon feels who does not read."""
    return Conversation(daemon.port, buffer=16 * 1024)


@pytest.mark.parametrize("command", [b"TIME\n", b"HELP\n", b"ECHO " + b"x" * 4000 + b"\n"])
def test_a_client_that_sends_100_mb_of_commands_and_never_reads_costs_a_bounded_buffer(
    daemon: Daemon, command: bytes
) -> None:
    before = memory(daemon)
    with slow_reader(daemon) as client:
        sent = fill(client, command * (COMMANDS // len(command)))
        assert sent < COMMANDS
        assert memory(daemon) - before < BOUND
        with Conversation(daemon.port) as other:
            assert other.ask("ECHO others are served") == "others are served"
    daemon.wait_for_log("left: ", count=2)
    assert memory(daemon) - before < BOUND


def test_a_client_that_reads_late_gets_every_reply_to_100_mb_of_commands(daemon: Daemon) -> None:
    before = memory(daemon)
    text = b"x" * 3990
    count = COMMANDS // 4000
    commands = b"".join(b"ECHO %06d%s\n" % (number, text) for number in range(count))
    with slow_reader(daemon) as client:
        rest = memoryview(commands)[fill(client, commands) :]
        owed = got = 0
        client.socket.setblocking(False)
        buffer = bytearray()
        while owed < count:
            wanting = [client.socket] if rest else []
            readable, writable, _ = select.select([client.socket], wanting, [], PATIENCE)
            assert readable or writable
            if writable:
                rest = rest[client.socket.send(rest[:MIB]) :]
            if readable:
                buffer += client.socket.recv(MIB)
            while len(buffer) - got >= 3997:
                assert buffer[got : got + 6] == b"%06d" % owed
                got += 3997
                owed += 1
            del buffer[:got]
            got = 0
        assert memory(daemon) - before < BOUND


def test_a_download_that_nobody_reads_costs_no_memory(daemon: Daemon) -> None:
    with (daemon.root / "large.bin").open("wb") as file:
        file.truncate(500 * MIB)
    before = memory(daemon)
    with slow_reader(daemon) as client:
        client.say("DOWNLOAD large.bin")
        assert client.line().startswith("OK offset=0 ")
        with Conversation(daemon.port) as other:
            assert other.ask("ECHO others are served") == "others are served"
        assert memory(daemon) - before < BOUND
        assert client.read(MIB) == bytes(MIB)
    daemon.wait_for_log("left: ", count=2)


def test_the_daemon_has_one_thread_while_it_sends_and_receives(daemon: Daemon) -> None:
    content = os.urandom(32 * MIB)
    (daemon.root / "down.bin").write_bytes(content)
    with Conversation(daemon.port) as up, Conversation(daemon.port) as down:
        assert up.ask(f"UPLOAD up.bin {len(content)}").startswith("OK offset=0 ")
        up.send(content[: 16 * MIB])
        assert down.ask("DOWNLOAD down.bin").startswith("OK offset=0 ")
        assert down.read(MIB) == content[:MIB]
        assert daemon.status("Threads") == "1"
        up.send(content[16 * MIB :])
        assert up.line().startswith("OK stored=up.bin ")
        assert down.read(31 * MIB) == content[MIB:]
        assert down.line().startswith("OK sent=")
        up.say("HASH up.bin")
        assert daemon.status("Threads") == "1"
        assert up.line().startswith("OK sha256=")
    assert daemon.status("Threads") == "1"


def test_memory_does_not_grow_with_the_size_of_a_file(daemon: Daemon) -> None:
    content = os.urandom(64 * MIB)
    with Conversation(daemon.port) as client:
        before = memory(daemon)
        client.ask(f"UPLOAD large.bin {len(content)}")
        client.send(content)
        assert client.line().startswith("OK stored=large.bin ")
        client.say("DOWNLOAD large.bin")
        client.line()
        assert client.read(len(content)) == content
        assert client.line().startswith("OK sent=")
        assert memory(daemon) - before < BOUND


def test_many_clients_at_once_are_all_served(daemon: Daemon) -> None:
    clients = [Conversation(daemon.port) for _ in range(100)]
    for number, client in enumerate(clients):
        client.say(f"UPLOAD many/{number}.txt 6 0")
        client.send(b"%06d" % number)
    for client in clients:
        assert client.line() == "OK offset=0 length=6"
        assert client.line().startswith("OK stored=many/")
        client.close()
    daemon.wait_for_log("left: ", count=100)
    assert len(list((daemon.root / "many").iterdir())) == 100
