"""The real command, in a process of its own."""

from __future__ import annotations

import select
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.daemon import PATIENCE, Daemon, environment, program

__all__ = ["Commands", "wait_until"]

#: Milliseconds between two looks at something that says nothing by itself.
_LOOK_EVERY = 5


def wait_until(happened: Callable[[], object]) -> None:
    """Wait for what can only be looked at: the size of a file, say."""
    looks_left = int(PATIENCE * 1000 / _LOOK_EVERY)
    while not happened():
        select.poll().poll(_LOOK_EVERY)
        looks_left -= 1
        assert looks_left, "it did not happen"


class Commands:
    """
    A user: a working directory, a state directory, and a server.

    @ivar here: the working directory.
    """

    def __init__(self, directory: Path, daemon: Daemon, host: str = "127.0.0.1") -> None:
        self.here = directory / "here"
        self.here.mkdir()
        self.state = directory / "state"
        self.daemon = daemon
        self.host = host

    @property
    def environment(self) -> dict[str, str]:
        return environment(
            XDG_STATE_HOME=str(self.state),
            FILESRV_SERVER=f"{self.host}:{self.daemon.port}",
            COLUMNS="100",
            TERM="xterm",
        )

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[bytes]:
        """Start a command and do not wait for it."""
        options: dict[str, Any] = {
            "cwd": self.here,
            "env": self.environment,
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            **more,
        }
        return subprocess.Popen([program("filesrv"), *arguments], **options)

    def run(
        self, *arguments: str, status: int = 0, stdin: bytes = b"", **more: Any
    ) -> tuple[str, str]:
        """
        Run a command to its end.

        @return: what it said on stdout and on stderr.
        """
        with self.start(*arguments, **{"stdin": subprocess.PIPE, **more}) as process:
            out, err = process.communicate(stdin, timeout=PATIENCE)
        said = (out or b"").decode("utf-8", "surrogateescape"), (err or b"").decode()
        assert process.returncode == status, said
        return said

    def interrupted(
        self, *arguments: str, when: Callable[[], object], by: signal.Signals
    ) -> subprocess.Popen[bytes]:
        """A command that gets a signal as soon as something has happened, and has ended."""
        with self.start(*arguments) as process:
            wait_until(lambda: when() or process.poll() is not None)
            assert process.poll() is None, process.communicate()
            process.send_signal(by)
            process.communicate(timeout=PATIENCE)
        return process

    def held(self) -> int:
        """Bytes that the server holds of one unfinished upload."""
        return sum(path.stat().st_size for path in self.daemon.partials)

    def arrived(self, name: str) -> int:
        """Bytes that are here of an unfinished download."""
        part = self.here / f".{name}.filesrv-part"
        return part.stat().st_size if part.exists() else 0
