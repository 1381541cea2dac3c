"""
What a server is to the measurements: a process, its directory, and sessions with it.
"""

from __future__ import annotations

import importlib.util
import socket
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.support.machine import installed
from benchmarks.support.processes import Running, free_port

__all__ = ["Server", "Session", "module_command"]


class Session(ABC):
    """
    One client's conversation with a server, its calls blocking.  What is asked for comes,
    or goes, through a socket, so that all servers have the same client.
    """

    @abstractmethod
    def fetch(self, name: str) -> tuple[socket.socket, int]:
        """Ask for a file: the socket that its bytes, and only they, come from, and how many."""

    @abstractmethod
    def fetched(self) -> None:
        """All bytes were taken: wait for what the server says behind them."""

    @abstractmethod
    def store(self, name: str, size: int, digest: str) -> socket.socket:
        """Announce a file, whose C{blake3-4m} is known: the socket for its bytes."""

    @abstractmethod
    def stored(self) -> None:
        """
        All bytes were given: wait until the server says that it has them.

        @raise AssertionError: it says something else.
        """

    @abstractmethod
    def close(self) -> None:
        """End the conversation."""


class Server(ABC):
    """
    One server.

    @cvar name: what the tables call it.
    @cvar program: what has to be installed.
    @cvar modules: what has to be importable.
    @ivar root: the directory that it serves.
    @ivar port: where it listens.
    """

    name: str
    program: str | None = None
    modules: Sequence[str] = ()

    def __init__(self) -> None:
        self.root = Path()
        self.port = 0
        self._running: Running | None = None

    def missing(self) -> str | None:
        """What would have to be installed before it can be measured, if anything."""
        if self.program is not None and installed(self.program) is None:
            return self.program
        for module in self.modules:
            if importlib.util.find_spec(module) is None:
                return f"the Python package {module}"
        return None

    def start(self, place: Path) -> None:
        """Start it on a free port, with all that it keeps in one directory."""
        self.root = place / "files"
        self.root.mkdir(parents=True)
        self.port = free_port()
        self._running = Running(self.command(place), self.port, self.environment())

    def stop(self) -> None:
        """End it, if it runs."""
        running, self._running = self._running, None
        if running is not None:
            running.stop()

    @property
    def pid(self) -> int:
        """Of its process, whose descendants are its own."""
        assert self._running is not None, f"{self.name} does not run"
        return self._running.pid

    @abstractmethod
    def command(self, place: Path) -> Sequence[str]:
        """What starts it; its files of configuration are written here, too."""

    def environment(self) -> Mapping[str, str]:
        """Variables that it needs beside those of this process."""
        return {}

    def session(self) -> Session:
        """Begin a conversation."""
        raise NotImplementedError(f"{self.name} is measured by its own client only")


def module_command(module: str, *arguments: object) -> list[str]:
    """A program of this package."""
    return [sys.executable, "-m", f"benchmarks.servers.{module}", *map(str, arguments)]
