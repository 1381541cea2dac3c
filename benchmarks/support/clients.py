"""
The commands that people type: what moves a file, or a directory, between here and a
server.  Each is a row of a table, of which the first of each server's is its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.support.machine import CLIENT, installed, on

__all__ = ["DIRECTORIES", "FILES", "Client", "run", "start"]

#: How many files lftp mirrors at once: the best of 1, 2, 4, 8 and 16 against vsftpd.
PARALLEL = 16

#: What a command line is made of: the server's port, what is here, and its name there.
Command = Callable[[int, Path, str], Sequence[str]]


@dataclass(frozen=True)
class Client:
    """
    A client's command with one server.

    @ivar line: what the tables call the two.
    @ivar program: what has to be installed for it, beside the server.
    """

    line: str
    server: str
    program: str
    up: Command
    down: Command

    def missing(self) -> str | None:
        """What would have to be installed."""
        found = self.program == "filesrv" or installed(self.program)
        return None if found else self.program


def start(command: Sequence[str], home: Path) -> subprocess.Popen[str]:
    """
    Start a command on the clients' core.

    @param home: where it may keep what it keeps between runs.
    """
    with on(CLIENT):
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "XDG_STATE_HOME": str(home), "LFTP_HOME": str(home)},
        )


def run(command: Sequence[str], home: Path) -> float:
    """
    The seconds from the start of a command to its end.

    @param home: as L{start} has it.
    @raise RuntimeError: it failed.
    """
    started = time.perf_counter()
    with start(command, home) as running:
        said, _ = running.communicate()
        seconds = time.perf_counter() - started
    if running.returncode:
        raise RuntimeError(f"{command}: {running.returncode}, {said}")
    return seconds


def _filesrv(*words: str) -> Command:
    program = str(Path(sys.executable).with_name("filesrv"))

    def command(port: int, here: Path, name: str) -> Sequence[str]:
        filled = [word.format(here=here, name=name) for word in words]
        return [program, "--server", f"127.0.0.1:{port}", "--quiet", *filled]

    return command


def _curl(scheme: str, *words: str) -> Command:
    def command(port: int, here: Path, name: str) -> Sequence[str]:
        url = f"{scheme}://127.0.0.1:{port}/{name}"
        return ["curl", "-sS", *words, str(here), url]

    return command


def _lftp(words: str) -> Command:
    def command(port: int, here: Path, name: str) -> Sequence[str]:
        filled = words.format(here=here, name=name)
        script = (
            "set ftp:ssl-allow no; set ftp:sync-mode off; "
            f"open -u anonymous,nobody -p {port} 127.0.0.1; {filled}"
        )
        return ["lftp", "-c", script]

    return command


def _rsync_up(*options: str) -> Command:
    def command(port: int, here: Path, name: str) -> Sequence[str]:
        return ["rsync", *options, str(here), f"rsync://127.0.0.1:{port}/files/{name}"]

    return command


def _rsync_down(*options: str) -> Command:
    def command(port: int, here: Path, name: str) -> Sequence[str]:
        return ["rsync", *options, f"rsync://127.0.0.1:{port}/files/{name}", str(here)]

    return command


#: One file.
FILES = (
    Client(
        "filesrv",
        "filesrv",
        "filesrv",
        _filesrv("upload", "{here}", "--as", "{name}"),
        _filesrv("download", "{name}", "-o", "{here}"),
    ),
    Client(
        "filesrv --no-verify",
        "filesrv",
        "filesrv",
        _filesrv("--no-verify", "upload", "{here}", "--as", "{name}"),
        _filesrv("--no-verify", "download", "{name}", "-o", "{here}"),
    ),
    Client("curl, nginx", "nginx", "curl", _curl("http", "-T"), _curl("http", "-o")),
    Client("curl, vsftpd", "vsftpd", "curl", _curl("ftp", "-T"), _curl("ftp", "-o")),
    Client(
        "lftp, vsftpd",
        "vsftpd",
        "lftp",
        _lftp("put {here} -o {name}"),
        _lftp("get {name} -o {here}"),
    ),
    Client(
        "lftp, pyftpdlib",
        "pyftpdlib",
        "lftp",
        _lftp("put {here} -o {name}"),
        _lftp("get {name} -o {here}"),
    ),
    Client("rsync, its daemon", "rsync", "rsync", _rsync_up(), _rsync_down()),
)

#: A directory, with all that is in it.
DIRECTORIES = (
    Client(
        "filesrv",
        "filesrv",
        "filesrv",
        _filesrv("upload", "-r", "{here}", "--as", "{name}"),
        _filesrv("download", "-r", "{name}", "-o", "{here}"),
    ),
    *(
        Client(
            f"lftp, {server}",
            server,
            "lftp",
            _lftp(f"mirror -R --parallel={PARALLEL} {{here}} {{name}}"),
            _lftp(f"mirror --parallel={PARALLEL} {{name}} {{here}}"),
        )
        for server in ("vsftpd", "pyftpdlib")
    ),
    Client("rsync, its daemon", "rsync", "rsync", _rsync_up("-rt"), _rsync_down("-rt")),
)
