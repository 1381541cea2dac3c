"""
The machine that is measured on: its cores, its limits, and what runs on it.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import resource
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

__all__ = ["CLIENT", "SERVER", "facts", "installed", "on", "raise_limits"]

_CORES = sorted(os.sched_getaffinity(0))

#: The core of whoever asks, and that of whoever answers; one and the same where there is
#: only one.
CLIENT, SERVER = _CORES[0], _CORES[-1]

#: Open files that ten thousand connections and their client may need, each.
_DESCRIPTORS = 40_000

_PACKAGES = ("filesrv", "twisted", "pyftpdlib", "pyopenssl", "blake3")

#: How each program says its version.
_VERSIONS: tuple[tuple[str, Sequence[str]], ...] = (
    ("vsftpd", ("sh", "-c", "vsftpd -v 0>&1")),
    ("nginx", ("nginx", "-v")),
    ("rsync", ("rsync", "--version")),
    ("lftp", ("lftp", "--version")),
    ("curl", ("curl", "--version")),
)

_NUMBER = re.compile(r"\d+(\.\d+)+")


@contextmanager
def on(core: int) -> Iterator[None]:
    """Processes that are started within the block run on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def installed(program: str) -> str | None:
    """Where a program is; Debian has those of servers outside a user's path."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def raise_limits() -> int:
    """Allow this process, and those that it starts, many open files; returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, _DESCRIPTORS)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except (OSError, ValueError):  # Only root may raise the hard limit.
        wanted = hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def facts() -> dict[str, str]:
    """What a reader has to know of the machine and of the versions."""
    found = {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "processor": f"{_processor()}, {len(_CORES)} core{'s' * (len(_CORES) > 1)}",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
    }
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    for program, command in _VERSIONS:
        if installed(program):
            said = subprocess.run(
                [installed(command[0]) or command[0], *command[1:]],
                capture_output=True,
                text=True,
                check=False,
                env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"},
            )
            number = _NUMBER.search(said.stdout + said.stderr)
            found[program] = number[0] if number else "of unknown version"
    return found


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
