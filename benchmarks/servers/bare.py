"""
The reference: one blocking loop, as bare as Python can be.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

from benchmarks.servers.base import Server, Session, module_command
from benchmarks.support.wire import connect, read_head

__all__ = ["Bare"]


class Bare(Server):
    """sendfile down; recv_into 256 KiB and write up."""

    name = "bare loop"

    def command(self, place: Path) -> Sequence[str]:
        return module_command("bare_loop", self.port, self.root)

    def session(self) -> Session:
        return _Session(self.port)


class _Session(Session):
    """C{GET name} or C{PUT size name}; no more than has to be said."""

    def __init__(self, port: int) -> None:
        self._socket = connect(port)

    def fetch(self, name: str) -> tuple[socket.socket, int]:
        self._socket.sendall(f"GET {name}\n".encode())
        return self._socket, int(read_head(self._socket))

    def fetched(self) -> None:
        """Nothing comes."""

    def store(self, name: str, size: int, digest: str) -> socket.socket:
        self._socket.sendall(f"PUT {name} {size}\n".encode())
        return self._socket

    def stored(self) -> None:
        assert read_head(self._socket) == b"OK\n"

    def close(self) -> None:
        self._socket.close()
