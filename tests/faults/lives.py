"""Daemons, one after the other on one root, and connections to them."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.daemon import PATIENCE, environment

__all__ = ["Connection", "Gone", "Life", "Lives"]

TOKEN = "tests-of-faults-0001"


class Gone(Exception):
    """The daemon is not there any more."""


@dataclass
class Life:
    """One daemon, from its start to its end."""

    port: int
    pid: int

    def kill(self) -> None:
        """With SIGKILL; does nothing if it has died."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def descriptors(self) -> list[str]:
        """Where its open files are."""
        found = []
        for name in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                found.append(os.readlink(f"/proc/{self.pid}/fd/{name}"))
            except FileNotFoundError:
                continue
        return sorted(found)


class Lives:
    """
    The root, and who serves it.

    @ivar root: where the files are.
    """

    def __init__(self, root: Path, log: Path) -> None:
        self.root = root
        self._log = log

    def __enter__(self) -> Lives:
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.child"],
            cwd=Path(__file__).parents[2],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._life: Life | None = None
        return self

    def __exit__(self, *exc: object) -> None:
        if self._life is not None:
            self._life.kill()
        self._parent.kill()
        self._parent.communicate()

    def start(self, at: int = 0, how: str = "after", *options: str) -> Life | None:
        """
        Start a daemon.

        @param at: die at this call, where it is told to.
        @param how: C{before} that call, C{after} it, or C{torn} in the middle.
        @return: L{None} if it died before it listened.
        """
        spec = {"root": str(self.root), "log": str(self._log), "at": at, "how": how}
        self._say(json.dumps(spec | {"options": options}))
        port, pid = self._read().split()
        if port == "ended":
            return None
        self._life = Life(int(port), int(pid))
        return self._life

    def wait_for_end(self) -> None:
        """Until the daemon has died."""
        assert self._life is not None
        assert self._read() == f"ended -{int(signal.SIGKILL)}", self.log
        self._life = None

    def kill(self) -> None:
        """End the daemon."""
        assert self._life is not None
        self._life.kill()
        self.wait_for_end()

    @property
    def partials(self) -> dict[str, bytes]:
        """What is held of unfinished uploads, by the names of their files."""
        place = self.root / ".filesrv" / "partial"
        return {path.name: path.read_bytes() for path in place.iterdir() if not path.suffix}

    @property
    def files(self) -> dict[str, bytes]:
        """What is published."""
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in self.root.rglob("*")
            if path.is_file() and ".filesrv" not in path.relative_to(self.root).parts
        }

    @property
    def log(self) -> str:
        """What all of them have logged."""
        return self._log.read_text() if self._log.exists() else ""

    def _say(self, line: str) -> None:
        assert self._parent.stdin is not None
        self._parent.stdin.write(line.encode() + b"\n")
        self._parent.stdin.flush()

    def _read(self) -> str:
        assert self._parent.stdout is not None
        ready, _, _ = select.select([self._parent.stdout], [], [], PATIENCE)
        assert ready, self.log
        return self._parent.stdout.readline().decode().strip()


class Connection:
    """One connection; its calls wait."""

    def __init__(self, life: Life, token: str = TOKEN) -> None:
        """
        @raise Gone: nobody answers.
        """
        try:
            self._socket = socket.create_connection(("127.0.0.1", life.port), PATIENCE)
        except OSError as error:
            raise Gone from error
        self._received = b""
        self.answer()
        self.ask(f"HELLO {token}")

    def tell(self, data: bytes) -> None:
        """
        @raise Gone: the daemon died.
        """
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise
        except OSError as error:
            raise Gone from error

    def answer(self) -> str:
        """
        The next line of the daemon's.

        @raise Gone: the daemon died.
        """
        while b"\n" not in self._received:
            self._receive()
        line, _, self._received = self._received.partition(b"\n")
        return line.decode().rstrip("\r")

    def ask(self, line: str) -> str:
        """Send a command and wait for the first line of its answer."""
        self.tell(line.encode() + b"\n")
        return self.answer()

    def lines(self, line: str) -> list[str]:
        """Ask for what has several lines."""
        first = self.ask(line)
        assert first.startswith("OK lines="), first
        return [self.answer() for _ in range(int(first.split()[1].removeprefix("lines=")))]

    def read(self, length: int) -> bytes:
        """The next bytes of a payload."""
        while len(self._received) < length:
            self._receive()
        data, self._received = self._received[:length], self._received[length:]
        return data

    def close(self) -> None:
        """Leave, and wait until the daemon knows."""
        self._socket.shutdown(socket.SHUT_WR)
        with suppress(Gone):
            while True:
                self._receive()
        self._socket.close()

    def reset(self) -> None:
        """Leave without a goodbye."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._socket.close()

    def _receive(self) -> None:
        try:
            data = self._socket.recv(1 << 20)
        except TimeoutError:
            raise
        except OSError as error:
            raise Gone from error
        if not data:
            raise Gone
        self._received += data
