"""Connections that come before any is accepted: a full queue loses nobody."""

from __future__ import annotations

import os
import re
import selectors
import signal
import socket
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.daemon import PATIENCE, Daemon
from tests.tcp.conftest import read_all


@pytest.fixture
def daemon(tmp_path: Path) -> Generator[Daemon]:
    """With a queue as short as Twisted's own."""
    port = "tcp:0:interface=127.0.0.1:backlog=50"
    with Daemon(tmp_path / "root", ports=[port]) as running:
        yield running


def queue(port: int) -> tuple[int, int]:
    """How many connections wait to be accepted, and how many may (ss(8))."""
    said = subprocess.run(
        ["ss", "-tlnH", f"sport = :{port}"], capture_output=True, text=True, check=True
    ).stdout
    ((waiting, most),) = re.findall(r"^LISTEN\s+(\d+)\s+(\d+)\s", said, re.MULTILINE)
    return int(waiting), int(most)


def knock(port: int) -> socket.socket:
    """A connection that begins; nobody waits for it."""
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(("127.0.0.1", port))
    return client


def connected(client: socket.socket) -> bool:
    """Whether the handshake is over by now."""
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_WRITE)
        return bool(selector.select(0))


def answer(client: socket.socket, word: str) -> str:
    """Say something, for as long as that takes, and read to the end."""
    client.setblocking(True)
    client.settimeout(PATIENCE)
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_WRITE)
        assert selector.select(PATIENCE)
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    client.sendall(f"ECHO {word}\n".encode())
    client.shutdown(socket.SHUT_WR)
    return read_all(client).decode().splitlines()[-1]


def test_who_comes_while_the_daemon_stands_still_is_served_when_it_goes_on(daemon: Daemon) -> None:
    _, most = queue(daemon.port)
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        clients = [knock(daemon.port) for _ in range(most + 30)]
        # The kernel completes handshakes by itself, one more than it was told, and then
        # takes the first packet of no other.
        assert queue(daemon.port) == (most + 1, most)
        assert sum(connected(client) for client in clients) == most + 1
        early = clients[0]
        early.sendall(b"ECHO before anybody has accepted\n")
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    answers = [answer(client, str(number)) for number, client in enumerate(clients)]
    assert answers == [str(number) for number in range(len(clients))]
    daemon.wait_for_log("connected", count=len(clients))
    for client in clients:
        client.close()


def test_who_comes_and_goes_while_the_daemon_stands_still_gets_what_was_asked(
    daemon: Daemon,
) -> None:
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        with socket.create_connection(("127.0.0.1", daemon.port), PATIENCE) as client:
            client.sendall(b"UPLOAD a.txt 5 0\nhello")
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    # The client had closed both directions before the server knew of it.
    daemon.wait_for_log("left: ")
    daemon.wait_for_log("upload of a.txt: 5 bytes")
    assert (daemon.root / "a.txt").read_bytes() == b"hello"
