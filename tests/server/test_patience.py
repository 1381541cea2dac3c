"""Peers that say nothing, or hardly anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from filesrv.server.limits import Limits
from tests.support.logs import Log
from tests.support.memory import Server

NO_COMMAND = b"ERR IDLE limit=20 no command came for 20 s; connect again\r\n"
LINE = b"ERR IDLE limit=30 the line did not end for 30 s; connect again\r\n"
IDLE = b"ERR IDLE limit=100 nothing was said for 100 s; connect again\r\n"

#: Between two looks at a connection.
LOOK = 1


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    limits = Limits(first_command_timeout=20, line_timeout=30, idle_timeout=100)
    made = Server(tmp_path / "root", limits=limits)
    yield made
    made.close()


def test_a_first_command_must_come_in_time(server: Server, log: Log) -> None:
    client = server.connect()
    server.pass_time(19)
    assert client.new() == b""
    server.pass_time(1 + LOOK)

    assert (client.new(), client.end_seen) == (NO_COMMAND, True)
    server.pass_time(2)
    assert client.closed
    assert any(line.endswith("left: idle") for line in log.lines)


def test_a_first_command_is_not_put_off_byte_by_byte(server: Server) -> None:
    client = server.connect()
    for _ in range(20 + LOOK):
        client.says(b"E")
        server.pass_time(1)

    assert (bytes(client.received).endswith(NO_COMMAND), client.end_seen) == (True, True)


def test_a_line_that_has_begun_must_end_in_time(server: Server) -> None:
    client = server.connect()
    client.says(b"ECHO one\nEC")
    for _ in range(31 + LOOK):
        client.send(b"x")
        server.pass_time(1)

    assert (client.new(), client.end_seen) == (LINE, True)


def test_so_must_the_rest_of_a_line_that_is_too_long(server: Server) -> None:
    client = server.connect()
    client.says(b"ECHO one\n" + b"x" * 5000)
    for _ in range(31 + LOOK):
        client.send(b"x")
        server.pass_time(1)

    assert (bytes(client.received).endswith(LINE), client.end_seen) == (True, True)


def test_whole_lines_may_come_as_slowly_as_they_like(server: Server) -> None:
    client = server.connect()
    client.says(b"ECHO one\n")
    for _ in range(40):
        server.pass_time(25)
        assert client.says(b"ECHO") == b""
        server.pass_time(25)
        assert client.says(b" two\n") == b"two\n"


def test_who_says_nothing_is_told_so_and_may_come_again(server: Server) -> None:
    client = server.connect()
    client.says(b"ECHO one\n")
    server.pass_time(99)
    assert client.says(b"ECHO two\n") == b"two\n"
    server.pass_time(100 + LOOK)

    assert (client.new(), client.end_seen) == (IDLE, True)
    assert server.connect().says(b"ECHO three\n") == b"three\n"


def test_nothing_is_held_against_a_peer_whose_turn_it_is_not(server: Server) -> None:
    server.put("large", bytes(1_000_000))
    client = server.connect()
    client.says(b"ECHO one\n")
    client.takes = 0
    client.send(b"DOWNLOAD large\n")
    server.pass_time(250)
    client.takes = 1 << 30
    server.settle()

    assert b"OK sent=1000000 " in client.new()
    server.pass_time(99)
    assert client.says(b"ECHO two\n") == b"two\n"


def test_an_upload_may_pause_longer_than_a_peer_may_say_nothing(server: Server) -> None:
    client = server.connect()
    client.says(b"UPLOAD slow 4\n")
    for byte in (b"s", b"l", b"o"):
        client.says(byte)
        server.pass_time(150)
    client.says(b"w")
    server.pass_time(99)

    assert client.says(b"ECHO two\n").endswith(b"two\n")
    assert server.files() == {"slow": b"slow"}


def test_replies_that_are_not_read_leave_the_peer_its_time(server: Server) -> None:
    client = server.connect()
    client.takes = 0
    client.says(b"ECHO " + b"x" * 4000 + b"\n", *[b"ECHO " + b"x" * 4000 + b"\n"] * 50)
    server.pass_time(250)
    client.takes = 1 << 30
    server.settle()

    assert client.new() == (b"x" * 4000 + b"\n") * 51
    server.pass_time(99)
    assert client.says(b"ECHO two\n") == b"two\n"


def test_a_machine_that_slept_blames_nobody(server: Server) -> None:
    client = server.connect()
    client.says(b"ECHO one\n")
    server.pass_time(90)
    server.reactor.advance(3600)
    server.settle()

    assert client.says(b"ECHO two\n") == b"two\n"


def test_without_limits_silence_lasts_as_long_as_it_likes(tmp_path: Path) -> None:
    never = float("inf")
    limits = Limits(first_command_timeout=never, line_timeout=never, idle_timeout=never)
    server = Server(tmp_path / "root", limits=limits)
    client = server.connect()
    server.pass_time(500)
    client.says(b"EC")
    server.pass_time(500)

    assert client.says(b"HO one\n") == b"one\n"
    server.close()


def test_one_timer_serves_all_and_none_is_left(server: Server) -> None:
    clients = [server.connect() for _ in range(50)]
    assert len(server.reactor.getDelayedCalls()) <= 2
    for client in clients:
        client.reset()

    assert server.reactor.getDelayedCalls() == []
