"""What the tests of TCP's promises share: the real kernel, a real daemon."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.daemon import PATIENCE, Daemon

#: Bytes that do not fit into the buffers of both ends by far.
SIZE = 16 * 1024 * 1024


@pytest.fixture
def daemon(tmp_path: Path) -> Generator[Daemon]:
    """On IPv4 and IPv6, and tells the time."""
    with Daemon(tmp_path / "root", "--daytime", "0", ports=["0"]) as running:
        yield running


@pytest.fixture
def content(daemon: Daemon) -> bytes:
    """Of big.bin, which the daemon has."""
    content = os.urandom(SIZE)
    (daemon.root / "big.bin").write_bytes(content)
    return content


def connect(daemon: Daemon) -> socket.socket:
    """A connection, with the greeting still to be read."""
    return socket.create_connection(("127.0.0.1", daemon.port), PATIENCE)


def read_line(connection: socket.socket) -> str:
    """One line, and no byte behind it."""
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        assert byte, f"the end, behind {line!r}"
        line += byte
    return line.decode().rstrip("\r\n")


def read_all(connection: socket.socket) -> bytes:
    """Everything up to the end."""
    found = bytearray()
    while data := connection.recv(65536):
        found += data
    return bytes(found)
