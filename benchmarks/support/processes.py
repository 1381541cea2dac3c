"""
Programs that are measured: started on a core, watched through /proc (proc(5)), ended.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.support.machine import SERVER, on

__all__ = ["Running", "cpu_seconds", "family", "free_port", "memory", "peak_memory"]

#: Seconds that a program may take to start or to end.
_PATIENCE = 20.0

#: Seconds between two looks at something that comes soon.
_LOOK = 0.01


def free_port() -> int:
    """A port of TCP that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Running:
    """A server that runs until it is stopped."""

    def __init__(
        self,
        command: Sequence[str],
        port: int | None = None,
        env: Mapping[str, str] | None = None,
        core: int = SERVER,
    ) -> None:
        """
        Start it and wait until it takes connections.

        @param port: where it listens.
        @raise RuntimeError: it does not; with what it said.
        """
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the process)
        with on(core):
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        self.pid = self._process.pid
        if port is not None:
            self._wait_for(port)

    def _wait_for(self, port: int) -> None:
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until and self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), _PATIENCE):
                return
            time.sleep(_LOOK)
        self._said.seek(0)
        said = self._said.read().decode(errors="replace")
        self.stop()
        raise RuntimeError(f"{self._process.args!r} does not listen: {said}")

    def stop(self) -> None:
        """End it, and what it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
        self._said.close()


def family(pid: int) -> Iterator[int]:
    """A process and all that descend from it."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in children.read_text().split():
                yield from family(int(child))


def cpu_seconds(pid: int) -> float:
    """What a process and its descendants that live have spent, to the nanosecond."""
    spent = 0
    for each in family(pid):
        with suppress(OSError):  # It may end meanwhile.
            for task in Path(f"/proc/{each}/task").iterdir():
                spent += int((task / "schedstat").read_text().split()[0])
    return spent / 1e9


def memory(pid: int) -> int:
    """Bytes that a process holds, its share of what others hold, too (PSS)."""
    return _kibibytes(pid, "smaps_rollup", "Pss")


def peak_memory(pid: int) -> int:
    """The most bytes that were ever resident of a process (VmHWM)."""
    return _kibibytes(pid, "status", "VmHWM")


def _kibibytes(pid: int, file: str, key: str) -> int:
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) * 1024
    raise ProcessLookupError(pid)
