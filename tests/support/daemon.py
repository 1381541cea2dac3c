"""
A real daemon for tests: C{twistd -n filesrv} in a process of its own.

Nothing here sleeps: what a test waits for is a line of the log, or the end of the
process.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Condition, Thread
from typing import IO

__all__ = [
    "LOOPBACK",
    "PATIENCE",
    "Daemon",
    "environment",
    "process_status",
    "program",
    "wait_for_reactor",
]

#: Seconds after which what a test waits for is taken not to come; much more than a busy
#: machine needs.
PATIENCE = 60.0

#: A free port that only this machine reaches.
LOOPBACK = "tcp:0:interface=127.0.0.1"

_LISTENING = re.compile(r"listening on (?P<address>[^\s\"]+)")
_LAST_OF_START = "reaches this server"

#: twistd, where coverage is measured: it ends by the signal that stopped it, and Python
#: gets no chance to write down what ran.
_MEASURED = """
import coverage
import sys
from twisted.application import app
from twisted.scripts.twistd import run

def save_and_end(signal):
    measuring.stop()
    measuring.save()
    end(signal)

measuring = coverage.Coverage.current()
end, app._exitWithSignal = app._exitWithSignal, save_and_end
sys.argv[0] = "twistd"
run()
"""

#: What the machinery that started the tests must not tell the daemon.
_NOT_INHERITED = (
    *("STATE_DIRECTORY", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "FILESRV_SERVER"),
    *("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM"),
)


def program(name: str) -> str:
    """A command that is installed beside the Python that runs the tests."""
    return str(Path(sys.executable).with_name(name))


def environment(**more: str) -> dict[str, str]:
    """This process's environment, without what would change what a daemon does."""
    kept = {key: value for key, value in os.environ.items() if key not in _NOT_INHERITED}
    return kept | more


class Daemon:
    """
    A daemon that runs, from L{start} to L{stop}; as a context manager, within the block.

    @ivar root: where it keeps its files.
    @ivar ports: what its C{--port} options say.
    @ivar addresses: where it said that it listens, in that order.
    @ivar log_lines: what it has logged, over all of its starts.
    """

    def __init__(
        self,
        root: Path,
        *options: str,
        ports: Sequence[str] = (LOOPBACK,),
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        twistd: Sequence[str] | None = None,
        name_root: bool = True,
    ) -> None:
        """
        @param options: further ones, behind C{twistd filesrv}.
        @param env: variables beside those of this process.
        @param twistd: what starts it, in the place of C{twistd -n --pidfile=}.
        @param name_root: whether it is told its root.
        """
        self.root = root
        self.options = options
        self.ports = list(ports)
        self.addresses: list[str] = []
        self.log_lines: list[str] = []
        self._twistd = [*_twistd(), "-n", "--pidfile="] if twistd is None else list(twistd)
        self._name_root = name_root
        self._env = environment(**(env or {}))
        self._cwd = root.parent if cwd is None else cwd
        self._process: subprocess.Popen[str] | None = None
        self._reader: Thread | None = None
        self._changed = Condition()
        self._ended = False

    def __enter__(self) -> Daemon:
        self.start()
        return self

    def __exit__(self, kind: object, value: object, traceback: object) -> None:
        if self._process is None:
            return
        if kind is None:
            self.stop()
        else:  # The test has failed already; what it left must not hide why.
            self.kill()
            print("\n".join(self.log_lines))

    @property
    def port(self) -> int:
        """The port of its first TCP address."""
        for address in self.addresses:
            _, colon, port = address.rpartition(":")
            if colon and port.isdigit():
                return int(port)
        raise AssertionError(f"it listens on no TCP port: {self.addresses}")

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        return self._running().pid

    @property
    def state(self) -> Path:
        """Where it keeps what nobody may name."""
        return self.root / ".filesrv"

    @property
    def partials(self) -> list[Path]:
        """The files of unfinished uploads, without those of their digests."""
        found = (self.state / "partial").iterdir()
        return sorted(path for path in found if not path.suffix)

    @property
    def log(self) -> str:
        """All that it has logged."""
        return "\n".join(self.log_lines)

    def start(self) -> Daemon:
        """Start it and wait until it listens everywhere that it is to."""
        assert self._process is None, "it runs already"
        command = [*self._twistd, "filesrv"]
        command += [f"--root={self.root}"] if self._name_root else []
        command += [f"--port={port}" for port in self.ports]
        # Few tests are about transfers that go on when it is stopped.
        command += ["--drain=0"]
        self._ended = False
        mark = self.mark()
        self._process = subprocess.Popen(
            [*command, *self.options],
            cwd=self._cwd,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert self._process.stdout is not None
        self._reader = Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()
        try:
            self.wait_for_log(_LAST_OF_START, mark)
            wait_for_reactor(self.pid)
        except BaseException:
            self.kill()
            raise
        found = (_LISTENING.search(line) for line in self.log_lines[mark:])
        self.addresses = [match["address"] for match in found if match]
        return self

    def stop(self) -> None:
        """
        Stop it as a service manager does, with SIGTERM.

        @raise AssertionError: it did not end with status 0, or a traceback is in its log.
        """
        process = self._running()
        process.send_signal(signal.SIGTERM)
        status = self._wait()
        assert status == 0, f"exit status {status}\n{self.log}"
        assert "Server Shut Down." in self.log_lines[-1], self.log
        assert "Traceback" not in self.log, self.log

    def ended(self) -> int:
        """
        Wait for its end, which the test has brought about.

        @return: its exit status, as of L{subprocess}.
        """
        return self._wait()

    def kill(self) -> None:
        """End it as a crash does, with SIGKILL."""
        self._running().kill()
        self._wait()

    def restart(self) -> None:
        """Start it anew with the same root and port, stopping it first if it runs."""
        if self._process is not None:
            self.stop()
        if self.ports == [LOOPBACK] and self.addresses:
            self.ports = [LOOPBACK.replace("tcp:0", f"tcp:{self.port}")]
        self.start()

    def mark(self) -> int:
        """The place in the log where what comes from now on will stand."""
        return len(self.log_lines)

    def wait_for_log(self, text: str, since: int = 0, count: int = 1) -> str:
        """
        Wait for C{count} lines of log that hold C{text} and return the last of them.

        @param since: of L{mark}; earlier lines do not count.
        @raise AssertionError: it ended, or so long passed, without them.
        """

        def found() -> list[str]:
            return [line for line in self.log_lines[since:] if text in line]

        with self._changed:
            self._changed.wait_for(lambda: len(found()) >= count or self._ended, PATIENCE)
            lines = found()
        assert len(lines) >= count, f"not in the log: {text!r}\n{self.log}"
        return lines[count - 1]

    def status(self, key: str) -> str:
        """What /proc says of it, such as C{VmRSS} or C{Threads}."""
        return process_status(self.pid, key)

    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None, "it does not run"
        return self._process

    def _wait(self) -> int:
        process, self._process = self._running(), None
        try:
            status = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
            raise AssertionError(f"it did not end\n{self.log}") from None
        finally:
            assert self._reader is not None
            self._reader.join(PATIENCE)
        return status

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                with self._changed:
                    self.log_lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def _twistd() -> list[str]:
    measured = "COVERAGE_PROCESS_CONFIG" in os.environ
    return [sys.executable, "-c", _MEASURED] if measured else [program("twistd")]


def wait_for_reactor(pid: int) -> None:
    """
    Wait the few milliseconds from the last line that twistd logs on start to the turn
    of the reactor that catches signals; before it, they would just end it.
    """
    tries_left = 1_000_000
    while not int(process_status(pid, "SigCgt"), 16) >> (signal.SIGHUP - 1) & 1:
        os.sched_yield()
        tries_left -= 1
        assert tries_left, "the reactor does not run"


def process_status(pid: int, key: str) -> str:
    """One line of /proc/PID/status (proc(5))."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return value.strip()
    raise AssertionError(f"no {key} in /proc/{pid}/status")
