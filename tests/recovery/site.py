"""
The real daemon and the real client on a network that breaks, and when what happened.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from threading import Thread
from typing import IO

from tests.support.daemon import PATIENCE, Daemon, environment, program
from tests.support.network import SERVER, Network, wait_until

__all__ = ["PORT", "Run", "Site", "Timed", "file_of", "same", "size_of"]

#: In a namespace, nobody else has it.
PORT = 9000


class Timed(list[str]):
    """
    Lines, and when each came.

    @ivar times: of C{time.monotonic}.
    """

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def append(self, line: str) -> None:
        self.times.append(time.monotonic())
        super().append(line)

    def when(self, pattern: str, since: float = 0.0) -> list[float]:
        """When lines came that match."""
        pairs = zip(list(self), self.times, strict=False)
        return [at for line, at in pairs if at >= since and re.search(pattern, line)]


class Run:
    """
    One run of C{filesrv} where the client is.

    @ivar said: its lines on stderr.
    @ivar status: its exit status, or L{None} while it runs.
    @ivar ended: when it ended.
    """

    def __init__(
        self,
        site: Site,
        *arguments: str,
        server: str = SERVER,
        stdin: int | None = subprocess.DEVNULL,
        stdout: int | None = subprocess.DEVNULL,
        home: str = "home",
    ) -> None:
        """
        @param home: the name of a user's home; who has the same is the same client.
        """
        self.said = Timed()
        self.status: int | None = None
        self.ended = 0.0
        at_home = site.place / home
        at_home.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            site.network.command(
                site.network.client, program("filesrv"), "--server", f"{server}:{PORT}", *arguments
            ),
            cwd=at_home,
            env=environment(HOME=str(at_home), XDG_STATE_HOME=str(at_home / "state")),
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
        )
        assert self.process.stderr is not None
        self._reader = Thread(target=self._read, args=(self.process.stderr,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self.said.append(line.decode(errors="replace").rstrip("\n"))
        self.status = self.process.wait()
        self.ended = time.monotonic()

    def wait(self, seconds: float = PATIENCE) -> int:
        """
        Its exit status.

        @raise AssertionError: it has not ended in time.
        """
        wait_until(lambda: self.status is not None, seconds, f"the client's end\n{self.words}")
        assert self.status is not None
        return self.status

    @property
    def words(self) -> str:
        """All that it said on stderr."""
        return "\n".join(self.said)

    @property
    def noticed(self) -> list[float]:
        """When it said that something is wrong."""
        return self.said.when(r", will \w+")

    def kill(self) -> None:
        """End it, if it runs."""
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE)


class Site:
    """
    A network with the daemon at one end and room for clients at the other; as a context
    manager, within the block.

    @ivar place: a directory of its own.
    @ivar log: the daemon's lines, over all of its starts.
    """

    def __init__(
        self,
        place: Path,
        *,
        dead_after: float,
        stall_timeout: float,
        megabits: float | None = None,
    ) -> None:
        self.place = place
        place.mkdir(parents=True)
        self.network = Network(megabits)
        self.log = Timed()
        self.runs: list[Run] = []
        self.daemon = Daemon(
            place / "root",
            f"--dead-after={dead_after:g}",
            f"--stall-timeout={stall_timeout:g}",
            ports=[f"tcp:{PORT}"],
            twistd=self.network.command(self.network.server, program("twistd"), "-n", "--pidfile="),
        )
        self.daemon.log_lines = self.log
        try:
            self.daemon.start()
        except BaseException:
            self.network.close()
            raise

    def __enter__(self) -> Site:
        return self

    def __exit__(self, kind: object, value: object, traceback: object) -> None:
        try:
            for run in self.runs:
                run.kill()
                if kind is not None:
                    print(f"--- a client said:\n{run.words}")
            self.daemon.__exit__(kind, value, traceback)
        finally:
            self.network.close()
        if kind is None:
            shutil.rmtree(self.place)

    def run(self, *arguments: str, **more: object) -> Run:
        """Start the client, as L{Run}."""
        run = Run(self, *arguments, **more)  # type: ignore[arg-type]
        self.runs.append(run)
        return run

    def left(self, since: float) -> list[tuple[float, str]]:
        """When connections have ended at the daemon, and how."""
        return self._said(r" left: (\S+)$", since)

    def broken(self, since: float) -> list[tuple[float, str]]:
        """When transfers have ended at the daemon before they were complete, and how."""
        return self._said(r"load of .*, (?!complete)(\S+)$", since)

    def _said(self, pattern: str, since: float) -> list[tuple[float, str]]:
        pairs = zip(self.log.times, list(self.log), strict=False)
        found = ((at, re.search(pattern, line)) for at, line in pairs if at >= since)
        return [(at, match[1]) for at, match in found if match]

    def moved(self, name: str, since: int = 0) -> list[int]:
        """
        The bytes of a file that each of its connections moved, as the log has it.

        @param since: of the daemon's C{mark}.
        """
        pattern = re.compile(rf"load of {re.escape(name)}: (\d+) bytes")
        return [int(match[1]) for match in map(pattern.search, self.log[since:]) if match]


def file_of(path: Path, size: int, *, holes: bool = False) -> Path:
    """
    A file of random bytes.

    @param holes: or of zeros, which take no room.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if holes:
        path.touch()
        os.truncate(path, size)
    else:
        path.write_bytes(os.urandom(size))
    return path


def same(one: Path, other: Path) -> bool:
    """Whether cmp(1) is silent."""
    done = subprocess.run(["cmp", one, other], check=False, capture_output=True, text=True)
    print(done.stdout + done.stderr, end="")
    return done.returncode == 0 and not done.stdout


def size_of(path: Path) -> int:
    """How many bytes of it are there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
