"""
Two clients who know nothing of each other: what one of them left unfinished is nobody
else's, and who they are is told to nobody.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.support.logs import Log
from tests.support.memory import Client, Server

MINE = "M" * 32
YOURS = "Y" * 32
BYTES = b"what nobody else may see"
SIZE = 300_000  # large enough to have a row while it runs

#: The C{blake3-4m} is never asked for: that there is no upload is said first.
DIGEST = "d" * 64


def knock(server: Server, token: str | None, host: str = "192.0.2.1") -> Client:
    """A connection, of the client with that token or of the address."""
    client = server.connect(host)
    if token is not None:
        assert client.asks(b"HELLO " + token.encode()) == [f"OK client={token}"]
    return client


@pytest.fixture
def mine(server: Server) -> Client:
    """Has begun an upload of C{f}, and is still at it."""
    client = knock(server, MINE)
    assert client.says(b"UPLOAD f %d\n" % SIZE + BYTES).startswith(b"OK offset=0 ")
    return client


@pytest.mark.parametrize("going_on", [True, False])
@pytest.mark.parametrize(
    ("token", "host"), [(YOURS, "192.0.2.1"), (None, "192.0.2.1"), (None, "2001:db8::1")]
)
@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("PENDING", "OK lines=0"),
        ("STAT f", "ERR NOT_FOUND"),
        ("SUMS f", "ERR NOT_FOUND"),
        ("HASH f", "ERR NOT_FOUND"),
        ("DOWNLOAD f", "ERR NOT_FOUND"),
        ("DOWNLOAD f resume", "ERR NOT_FOUND"),
        ("DISCARD f", "ERR NOT_FOUND"),
        ("DELETE f", "ERR NOT_FOUND"),
        ("RENAME f g", "ERR NOT_FOUND"),
        (f"COMMIT f blake3-4m={DIGEST}", "ERR NOT_FOUND"),
        (f"UPLOAD f {SIZE} {len(BYTES)}", "ERR BAD_OFFSET"),
        (f"UPLOAD f {SIZE}", f"OK offset=0 length={SIZE}"),
        ("LIST", "OK lines=0"),
    ],
)
def test_nothing_that_is_unfinished_is_seen_or_touched_by_anybody_else(
    server: Server,
    mine: Client,
    going_on: bool,
    token: str | None,
    host: str,
    command: str,
    answer: str,
) -> None:
    if not going_on:
        mine.reset()
    yours = knock(server, token, host)

    assert yours.asks(command.encode())[0].startswith(answer)

    assert MINE.encode() not in yours.received
    assert BYTES not in yours.received
    yours.reset()
    if going_on:
        assert not mine.closed
    again = knock(server, MINE)
    assert again.asks(b"STAT f")[0].endswith(f" stored={len(BYTES)}")
    assert BYTES in server.held()


@pytest.mark.parametrize(
    "token",
    [
        "192.0.2.1",
        "2001:db8::1",
        "2001:db8:0:0:0:0:0:1",
        "local",
        "uid:0",
        "user:alice",
        "user:alice-with-a-long-name",
        "user:" + "a" * 16,
        "a" * 15,
        "a" * 65,
        "aaaaaaaaaaaaaaa.",
        "ａａａａａａａａａａａａａａａａ",
        "١" * 16,
    ],
)
def test_no_token_makes_anybody_an_address_or_a_user(server: Server, token: str) -> None:
    client = server.connect("192.0.2.1")
    mine = server.connect("192.0.2.9")
    mine.says(b"UPLOAD f 10\nabc")

    assert client.asks(b"HELLO " + token.encode())[0].startswith("ERR BAD_ARGUMENTS")

    assert client.asks(b"PENDING") == ["OK lines=0"]


def test_a_token_stands_neither_in_the_log_nor_in_anybody_elses_replies(
    server: Server, mine: Client, log: Log
) -> None:
    yours = knock(server, YOURS)
    for command in (b"LIST", b"PENDING", b"HELP", b"STAT f", b"UPLOAD f 9 0\nnine byte", b"STAT f"):
        yours.asks(command)
    newer = knock(server, MINE)
    newer.says(b"UPLOAD f %d\n" % SIZE + BYTES)
    newer.half_close()
    server.settle()
    server.pass_time(8 * 86400.0)
    server.shelves.uploads.expire()
    server.restart()

    assert any("expired" in line for line in log.lines)
    assert not [line for line in log.lines if MINE in line or YOURS in line]
    assert MINE.encode() not in yours.received


def test_what_is_kept_is_for_the_daemons_user_alone(server: Server, mine: Client) -> None:
    state = server.root / ".filesrv"
    mine.reset()

    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    tokens = [place for place in state.rglob("*") if MINE.encode() in _content(place)]
    assert tokens
    assert {stat.S_IMODE(place.stat().st_mode) & 0o077 for place in tokens} == {0}


def _content(place: Path) -> bytes:
    return place.read_bytes() if place.is_file() else b""


@pytest.mark.parametrize(
    "verb", ["DOWNLOAD", "HASH", "SUMS", "STAT", "LIST", "DELETE", "RENAME to-be-renamed"]
)
def test_what_is_no_file_holds_nobody_up(server: Server, verb: str) -> None:
    server.put("to-be-renamed", b"")
    os.mkfifo(server.root / "pipe")
    os.symlink("/dev/zero", server.root / "endless")
    if os.geteuid() == 0:
        os.mknod(server.root / "zero", 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    client = server.connect()

    for name in ("pipe", "endless", "zero"):
        got = client.says(f"{verb} {name}\nECHO on\n".encode())
        assert got.endswith(b"on\n"), got
        assert len(got) < 200


def test_names_on_disk_that_no_client_could_say_are_in_no_list(server: Server) -> None:
    for name in (b"new\nline", b"not \xff utf-8", b"\x1b[2J", b"bell\a"):
        (server.root / os.fsdecode(name)).write_bytes(b"")
    server.put("seen", b"")
    deep = server.root
    for _ in range(300):
        deep = deep / "deeper"
        os.mkdir(deep)
    client = server.connect()

    assert [line.split()[-1] for line in client.asks(b"LIST")] == ["lines=2", "deeper/", "seen"]
    within = "/".join(["deeper"] * 146)
    assert client.asks(f"LIST {within}".encode()) == ["OK lines=0"]
    assert client.asks(f"STAT {within}/x/y/z".encode())[0].startswith("ERR BAD_NAME")
