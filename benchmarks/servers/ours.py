"""
filesrv: as it comes, and with verification and durability off.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

from benchmarks.servers.base import Server, Session
from benchmarks.support.machine import SERVER, on
from benchmarks.support.wire import connect, read_head
from tests.support.daemon import LOOPBACK, Daemon, program

__all__ = ["AsItComes", "Line", "Unverified"]

#: In a session of its own, like the others: where the machine is busy, the kernel shares it
#: among sessions (sched(7), the autogroup feature).
_TWISTD = ("setsid", program("twistd"), "-n", "--pidfile=")


class Line:
    """A conversation in lines."""

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        self.socket = connect(port, source)
        self.greeting = self.answer()

    def tell(self, line: str) -> None:
        self.socket.sendall(line.encode() + b"\n")

    def answer(self) -> str:
        return read_head(self.socket).decode().strip()

    def ask(self, line: str) -> str:
        self.tell(line)
        return self.answer()

    def fields(self, line: str) -> dict[str, str]:
        """
        What C{OK} says, by key.

        @raise AssertionError: it does not say so.
        """
        said = self.ask(line)
        assert said.startswith("OK "), f"{line}: {said}"
        return dict(word.split("=", 1) for word in said.split() if "=" in word)

    def close(self) -> None:
        self.socket.close()


class AsItComes(Server):
    """Verified, and on disk when C{OK} is said."""

    name = "filesrv"
    options: Sequence[str] = ()
    ports: Sequence[str] = (LOOPBACK,)
    daemon: Daemon

    def start(self, place: Path) -> None:
        self.root = place / "files"
        self.root.mkdir(parents=True)
        self.daemon = Daemon(self.root, *self.options, ports=self.ports, twistd=_TWISTD)
        with on(SERVER):
            self.daemon.start()
        self.port = self.daemon.port

    def stop(self) -> None:
        self.daemon.stop()

    @property
    def pid(self) -> int:
        return self.daemon.pid

    def command(self, place: Path) -> Sequence[str]:
        raise NotImplementedError("the daemon is started by itself")

    def session(self) -> Session:
        return _Verified(self)


class Unverified(AsItComes):
    """It believes what arrives, and leaves the flushing to the kernel."""

    name = "filesrv, both off"
    options: Sequence[str] = ("--durability", "none")

    def session(self) -> Session:
        return _Session(self)


class _Session(Session):
    """UPLOAD and DOWNLOAD."""

    def __init__(self, server: AsItComes) -> None:
        self._line = Line(server.port)

    def fetch(self, name: str) -> tuple[socket.socket, int]:
        return self._line.socket, int(self._line.fields(f"DOWNLOAD {name}")["length"])

    def fetched(self) -> None:
        said = self._line.answer()
        assert said.startswith("OK sent="), said

    def store(self, name: str, size: int, digest: str) -> socket.socket:
        assert self._line.fields(f"UPLOAD {name} {size}")["offset"] == "0"
        return self._line.socket

    def stored(self) -> None:
        said = self._line.answer()
        assert said.startswith("OK stored="), said

    def close(self) -> None:
        self._line.close()


class _Verified(_Session):
    """
    The digest was computed before: it is the server that is measured.  The client's own
    work is part of the rows that measure whole commands.
    """

    _commit = ""

    def store(self, name: str, size: int, digest: str) -> socket.socket:
        self._commit = f"COMMIT {name} blake3-4m={digest}"
        assert self._line.fields(f"UPLOAD {name} {size} commit=ask")["offset"] == "0"
        return self._line.socket

    def stored(self) -> None:
        said = self._line.answer()
        assert said.startswith("OK size="), said
        assert self._line.fields(self._commit)["stored"]
