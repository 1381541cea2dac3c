"""The units, and the daemon under systemd as far as that shows without one."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from filesrv.service.systemd import watchdog_seconds
from filesrv.service.under_systemd import Status
from tests.support.conversation import Conversation
from tests.support.daemon import PATIENCE, Daemon, environment, program

UNITS = Path(__file__).parents[2] / "systemd"


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, for a twistd that is installed."""
    copied = tmp_path / "units"
    shutil.copytree(UNITS, copied)
    unit = copied / "filesrv.service"
    text = unit.read_text()
    assert "/opt/filesrv/bin/twistd" in text
    unit.write_text(text.replace("/opt/filesrv/bin/twistd", program("twistd")))
    return copied


def systemd_analyze(*arguments: str) -> str:
    done = subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


class TestUnits:
    def test_systemd_has_nothing_to_say_against_them(self, units: Path) -> None:
        files = [str(path) for path in sorted(units.iterdir())]
        assert systemd_analyze("verify", "--man=no", *files) == ""

    def test_the_service_is_exposed_to_1_5_at_most(self, units: Path) -> None:
        said = systemd_analyze("security", "--offline=true", str(units / "filesrv.service"))
        found = re.search(r"Overall exposure level for filesrv\.service: ([\d.]+)", said)
        assert found is not None
        assert float(found[1]) <= 1.5

    def test_the_daemon_takes_the_options_that_the_service_gives_it(self, tmp_path: Path) -> None:
        text = (UNITS / "filesrv.service").read_text()
        [start] = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
        config = tmp_path / "f.toml"
        shutil.copy(UNITS.parent / "docs" / "filesrv.toml", config)
        words = start.replace("/etc/filesrv/filesrv.toml", str(config)).split()[1:]
        done = subprocess.run(
            [program("twistd"), *words, "--check"],
            env=environment(STATE_DIRECTORY=str(tmp_path)),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, "nothing is wrong with the options\n")


class _Told:
    """The socket on which systemd hears a service."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.settimeout(PATIENCE)

    def next(self) -> dict[str, str]:
        message = self._socket.recv(4096).decode()
        return dict(line.partition("=")[::2] for line in message.splitlines())

    def until(self, key: str) -> dict[str, str]:
        while key not in (message := self.next()):
            pass
        return message

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def told(tmp_path: Path) -> Iterator[_Told]:
    heard = _Told(tmp_path / "notify")
    yield heard
    heard.close()


class TestNotifying:
    def test_systemd_hears_all_of_its_life(self, tmp_path: Path, told: _Told) -> None:
        env = {"NOTIFY_SOCKET": told.path, "WATCHDOG_USEC": "200000"}
        with Daemon(tmp_path / "root", "--drain=7", env=env) as daemon:
            assert told.next() == {"READY": "1"}
            beat = told.next()
            assert beat == {"WATCHDOG": "1", "STATUS": "serving; connections: 0, transfers: 0"}
            with Conversation(daemon.port) as client:
                client.ask("UPLOAD f 9")
                while told.next().get("STATUS") != "serving; connections: 1, transfers: 1":
                    pass
            os.kill(daemon.pid, signal.SIGHUP)
            assert int(told.until("RELOADING")["MONOTONIC_USEC"]) > 0
            assert told.until("READY") == {"READY": "1"}
            os.kill(daemon.pid, signal.SIGTERM)
            assert told.until("STOPPING") == {"STOPPING": "1", "EXTEND_TIMEOUT_USEC": "22000000"}
            assert daemon.ended() == 0

    def test_a_reactor_that_is_stuck_says_nothing(self, told: _Told) -> None:
        clock = Clock()
        status = Status(
            clock, {"NOTIFY_SOCKET": told.path, "WATCHDOG_USEC": "6000000"}, lambda: "well"
        )
        status.ready()
        assert [told.next(), told.next()] == [{"READY": "1"}, {"WATCHDOG": "1", "STATUS": "well"}]
        told._socket.setblocking(False)
        clock.advance(2.9)
        with pytest.raises(BlockingIOError):
            told.next()
        clock.advance(0.2)
        assert told.next()["WATCHDOG"] == "1"
        status.stopped()
        assert clock.getDelayedCalls() == []

    def test_an_abstract_name_will_do_and_nobody_there_does_no_harm(self) -> None:
        name = f"filesrv-{os.getpid()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
            heard.bind(f"\0{name}")
            heard.settimeout(PATIENCE)
            status = Status(Clock(), {"NOTIFY_SOCKET": f"@{name}"}, lambda: "")
            status.stopping(0)
            assert heard.recv(100).startswith(b"STOPPING=1\n")
        status.stopping(0)

    def test_without_systemd_nothing_is_asked_or_said(self) -> None:
        clock = Clock()
        status = Status(clock, {}, lambda: "")
        status.ready()
        status.stopping(1)
        status.stopped()
        assert clock.getDelayedCalls() == []

    def test_the_watchdog_of_another_process_is_not_ours(self) -> None:
        wanted = {"WATCHDOG_USEC": "30000000"}
        assert watchdog_seconds(wanted) == 30.0
        assert watchdog_seconds(wanted | {"WATCHDOG_PID": str(os.getpid())}) == 30.0
        assert watchdog_seconds(wanted | {"WATCHDOG_PID": "1"}) is None
        assert watchdog_seconds({"WATCHDOG_USEC": "0"}) is None


@pytest.fixture
def port() -> Iterator[int]:
    """
    A free port, for a program that cannot find one by itself: it is kept from all others
    by a socket that does not listen (SO_REUSEADDR of socket(7)).
    """
    with socket.socket() as keeps:
        keeps.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeps.bind(("127.0.0.1", 0))
        yield keeps.getsockname()[1]


def test_a_socket_that_systemd_opened_serves_a_transfer(tmp_path: Path, port: int) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "sent").write_bytes(content)
    activated = subprocess.Popen(
        [
            *("systemd-socket-activate", f"--listen=127.0.0.1:{port}", "--fdname=filesrv"),
            *(f"--setenv=STATE_DIRECTORY={tmp_path / 'root'}", program("twistd"), "-n"),
            *("--pidfile=", "filesrv", "--port=systemd:domain=INET:name=filesrv"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment(),
    )
    try:
        assert activated.stderr is not None
        assert "Listening on" in activated.stderr.readline()
        server = f"--server=127.0.0.1:{port}"

        def filesrv(*words: str) -> None:
            command = [program("filesrv"), "--quiet", server, *words]
            subprocess.run(command, check=True, cwd=tmp_path, env=environment(), timeout=PATIENCE)

        filesrv("upload", "sent", "--as", "kept")
        filesrv("download", "kept", "-o", "back")
        assert (tmp_path / "root" / "kept").read_bytes() == content
        assert (tmp_path / "back").read_bytes() == content
        activated.send_signal(signal.SIGTERM)
        assert activated.wait(PATIENCE) == 0
    finally:
        activated.kill()
        activated.communicate()
