"""
A reactor whose sockets are real, and are read when the test says so: what one process
sends to another over loopback is there when the sending is done.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.task import Clock

__all__ = ["HandReactor", "udp_client"]


class HandReactor(Clock):
    """
    @ivar readers: what wants to read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:  # noqa: N802
        if reader not in self.readers:
            self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:  # noqa: N802
        if reader in self.readers:
            self.readers.remove(reader)

    def removeWriter(self, writer: Any) -> None:  # noqa: N802
        """Nothing here writes."""

    def turn(self) -> None:
        """Have everybody read who wants to, and let no time pass."""
        for reader in list(self.readers):
            if reader in self.readers:
                reader.doRead()
        self.advance(0)


def udp_client(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A socket that has what was sent to it at once, or raises L{BlockingIOError}."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    client = socket.socket(family, socket.SOCK_DGRAM)
    client.bind((host, port))
    client.setblocking(False)
    return client
