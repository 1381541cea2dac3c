"""
A client of a few lines, for tests that need one connection under their thumb.
"""

from __future__ import annotations

import socket
from types import TracebackType

from tests.support.daemon import PATIENCE

__all__ = ["Conversation"]


class Conversation:
    """
    One connection to a daemon, read line by line and byte by byte.

    @ivar socket: to be abused as a test likes.
    """

    def __init__(
        self, port: int, host: str = "127.0.0.1", greeted: bool = True, buffer: int = 0
    ) -> None:
        """
        @param greeted: whether to wait for the greeting.
        @param buffer: bytes that the kernel may keep for us, at most; 0 for its default.
        """
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.socket.settimeout(PATIENCE)
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.connect((host, port))
        self._stream = self.socket.makefile("rb")
        if greeted:
            assert self.line().startswith("OK filesrv ")

    def __enter__(self) -> Conversation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def say(self, line: str) -> None:
        """Send a line."""
        self.send(line.encode() + b"\n")

    def line(self) -> str:
        """The next line, without its ending; C{""} at the end of the connection."""
        return self._stream.readline().decode().rstrip("\r\n")

    def read(self, count: int = -1) -> bytes:
        """The next C{count} bytes, or all until the end of the connection."""
        return self._stream.read(count)

    def ask(self, line: str) -> str:
        """Send a line and read one."""
        self.say(line)
        return self.line()

    def ask_lines(self, line: str) -> list[str]:
        """The lines behind C{OK lines=N}."""
        reply = self.ask(line)
        assert reply.startswith("OK lines="), reply
        return [self.line() for _ in range(int(reply.split()[1].partition("=")[2]))]

    def stored(self, name: str) -> int:
        """How many bytes the server holds of this client's unfinished upload."""
        fields = dict(word.partition("=")[::2] for word in self.ask(f"STAT {name}").split())
        return int(fields.get("stored", 0))

    def wait_until_stored(self, name: str, count: int) -> None:
        """Ask until so many bytes of the upload are here."""
        for _ in range(1_000_000):
            if self.stored(name) >= count:
                return
        raise AssertionError(f"{count} bytes of {name} never arrived")

    def close(self) -> None:
        """Close it, so that the kernel tells the server."""
        self._stream.close()
        self.socket.close()
