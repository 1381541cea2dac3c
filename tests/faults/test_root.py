"""A root that goes away under the daemon, and a daemon that may open no more files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.lives import Connection, Gone, Life
from tests.faults.mounts import MIB, tmpfs
from tests.support.daemon import Daemon, program
from tests.support.memory import Server

#: Every command that needs the root, and the payload behind it.
COMMANDS = (
    b"UPLOAD new 5 0\nhello",
    b"UPLOAD old 300000\n",
    b"DOWNLOAD old\n",
    b"STAT old\n",
    b"LIST\n",
    b"LIST dir\n",
    b"HASH old\n",
    b"SUMS old\n",
    b"DELETE old\n",
    b"RENAME old new\n",
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "disk" / "root", durable=True)
    yield made
    made.close()


def all_refused(server: Server) -> None:
    """Each command says that the files are gone, and none that a file is not there."""
    for command in COMMANDS:
        answer = server.connect().says(command + b"ECHO alive\n").splitlines()
        assert answer == [b"ERR INTERNAL the directory of the server's files is gone", b"alive"]


def test_a_root_that_was_removed_is_said_to_be_gone(server: Server) -> None:
    server.put("old", b"old")
    shutil.rmtree(server.root)

    all_refused(server)
    server.root.mkdir()
    all_refused(server)
    assert list(server.root.iterdir()) == []


def test_an_upload_that_was_going_on_then_is_not_said_to_be_stored(server: Server) -> None:
    client = server.connect()
    client.says(b"UPLOAD f 10\n12345")
    shutil.rmtree(server.root)

    assert client.says(b"67890").startswith(b"ERR INTERNAL ")
    assert client.asks(b"ECHO alive") == ["alive"]


def test_what_lies_under_the_servers_own_directory_may_vanish_alone(server: Server) -> None:
    server.put("old", b"old")
    shutil.rmtree(server.root / ".filesrv")

    client = server.connect()
    assert client.says(b"UPLOAD new 300000\n").startswith(b"ERR INTERNAL ")
    assert b"\nERR INTERNAL " in client.says(b"UPLOAD new 5 0\nhello")
    assert client.asks(b"STAT old")[0].startswith("OK size=3 ")
    assert client.says(b"DOWNLOAD old\n").count(b"old") == 1


def test_a_root_that_was_unmounted_is_said_to_be_gone_until_it_is_back(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk", 4 * MIB):
        made = Server(tmp_path / "disk" / "root", durable=True)
        made.put("old", b"old")
        going = made.connect()
        going.says(b"UPLOAD f 10\n12345")
    all_refused(made)
    assert going.says(b"67890").startswith(b"ERR INTERNAL ")
    made.close()


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that may have 64 descriptors."""
    shell = ["sh", "-c", 'ulimit -n 64; exec "$0" "$@"', program("twistd"), "-n", "--pidfile="]
    with Daemon(tmp_path / "root", twistd=shell) as running:
        yield running


def test_with_few_descriptors_it_takes_fewer_connections_and_serves_those(limited: Daemon) -> None:
    life = Life(limited.port, limited.pid)
    first = Connection(life)
    assert first.ask("UPLOAD f 10") == "OK offset=0 length=10"
    with ExitStack() as others:
        assert 10 < crowd(life, others) < 32

        first.tell(b"1234567890")
        assert first.answer().startswith("OK stored=f ")
        assert first.ask("UPLOAD g 300000") == "OK offset=0 length=300000"
    second = Connection(life)
    assert second.ask("DOWNLOAD f").startswith("OK offset=0 length=10 ")
    assert second.read(10) == b"1234567890"
    assert "Too many open files" not in limited.log


def crowd(life: Life, others: ExitStack) -> int:
    """Connect until no more is taken; how many were."""
    for connected in range(100):
        try:
            others.callback(Connection(life).close)
        except Gone:
            return connected
    raise AssertionError("there is no limit")
