"""filesrv-admin with a real daemon."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.support.daemon import Daemon, environment, program

TOKEN = "0123456789abcdef0123"


class Admin:
    """The command, and clients to look at."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon

    def run(self, *words: str, root: str | None = None) -> subprocess.CompletedProcess[str]:
        where = [f"--root={self.daemon.root if root is None else root}"]
        return subprocess.run(
            [program("filesrv-admin"), *where, *words],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=environment(LC_ALL="C.UTF-8"),
            check=False,
        )

    def json(self, *words: str) -> Any:
        done = self.run("--json", *words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def connect(self, said: bytes) -> socket.socket:
        """A client that has said something and was answered."""
        connection = socket.create_connection(("127.0.0.1", self.daemon.port), timeout=60)
        connection.sendall(said)
        heard = b""
        while b"OK offset=" not in heard:
            heard += connection.recv(4096)
        return connection


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    with Daemon(tmp_path_factory.mktemp("admin") / "root") as daemon:
        yield Admin(daemon)


def test_the_socket_is_its_owners_alone(admin: Admin) -> None:
    found = (admin.daemon.state / "admin.sock").stat()
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600


def test_status_and_transfers_tell_of_what_runs_and_what_broke_off(admin: Admin) -> None:
    hello = f"HELLO {TOKEN}\n".encode()
    with admin.connect(hello + b"UPLOAD broken.bin 1000\n0123456789") as broken:
        broken.shutdown(socket.SHUT_WR)
        while broken.recv(4096):
            pass
    with admin.connect(b"UPLOAD running.bin 1000\n01234"):
        status = admin.run("status").stdout
        assert "1 connections, 1 transfers" in status
        assert re.search(r"127\.0\.0\.1\(\d+\) +up +running\.bin +0% of 1000 B", status)

        transfers = admin.run("transfers").stdout
        assert "1 running" in transfers
        assert "1 unfinished" in transfers
        assert re.search(r"[0-9a-f]{8} +0123… +up +broken\.bin +1% of 1000 B", transfers)
        assert TOKEN not in transfers

        (client,) = admin.json("clients")["clients"]
        assert (client["client"], client["moved"]) == ("127.0.0.1", 5)
    (waiting,) = [
        one for one in admin.json("transfers")["unfinished"] if one["name"] == "broken.bin"
    ]
    assert waiting["client"] == "0123…"
    assert admin.run("discard", waiting["id"]).stdout == "discarded broken.bin of 0123…\n"
    again = admin.run("discard", waiting["id"])
    assert again.returncode == 1
    assert again.stderr.startswith("filesrv-admin: no unfinished transfer has an id")


def test_who_is_kicked_is_told_and_can_go_on(admin: Admin) -> None:
    with admin.connect(b"UPLOAD kicked.bin 10\n01234") as client:
        assert admin.run("kick", "127.0.0.1").stdout == "1 ended\n"
        said = b"".join(iter(lambda: client.recv(4096), b""))
    assert b"ERR SHUTTING_DOWN an administrator ended this connection" in said
    with admin.connect(b"UPLOAD kicked.bin 10\n") as client:
        client.sendall(b"56789")
        client.shutdown(socket.SHUT_WR)
        assert b"OK stored=kicked.bin" in b"".join(iter(lambda: client.recv(4096), b""))

    nobody = admin.run("kick", "nobody")
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert nobody.stderr == "filesrv-admin: nobody is connected as nobody\n"


def test_on_a_terminal_status_is_a_picture_that_follows(admin: Admin) -> None:
    command = f"{program('filesrv-admin')} --root={admin.daemon.root} status"
    screen = pexpect.spawn(command, timeout=60, dimensions=(20, 100), env=environment(TERM="xterm"))
    screen.expect("q ends this")
    with admin.connect(b"UPLOAD seen.bin 1000\n01234"):
        screen.expect(r"seen\.bin")
        assert Path(f"/proc/{screen.pid}/task").exists()
        assert len(os.listdir(f"/proc/{screen.pid}/task")) == 1
        screen.send("q")
        screen.expect(pexpect.EOF)
    screen.close()
    assert screen.exitstatus == 0


def test_without_a_daemon_it_says_so_in_one_line(admin: Admin, tmp_path: Path) -> None:
    done = admin.run("status", root=str(tmp_path))
    assert (done.returncode, done.stderr) == (1, f"filesrv-admin: no daemon runs on {tmp_path}\n")

    with socket.socket(socket.AF_UNIX) as left:
        (tmp_path / ".filesrv").mkdir()
        path = tmp_path / ".filesrv" / "admin.sock"
        left.bind(str(path))
    done = admin.run("status", root=str(tmp_path))
    assert done.stderr == f"filesrv-admin: no daemon runs any more behind {path}\n"


def test_a_deep_root_and_a_socket_that_was_left_are_no_hindrance(
    admin: Admin, tmp_path: Path
) -> None:
    root = tmp_path / ("d" * 100) / ("e" * 100)
    root.mkdir(parents=True)
    with Daemon(root) as daemon:
        assert admin.run("status", root=str(root)).returncode == 0
        daemon.kill()
        daemon.start()
        assert Admin(daemon).json("status")["pid"] == daemon.pid
    assert not (root / ".filesrv" / "admin.sock").exists()


def test_check_tells_of_the_file_with_its_line_and_of_the_root(
    admin: Admin, tmp_path: Path
) -> None:
    good = tmp_path / "good.toml"
    good.write_text("[serving]\nno-overwrite = true\n")
    done = admin.run("check", str(good))
    assert done.returncode == 0, done.stdout
    assert f"ok    {good} is in order\n" in done.stdout
    assert "ok    a daemon serves it\n" in done.stdout
    assert "registry.sqlite is in order\n" in done.stdout

    bad = tmp_path / "bad.toml"
    bad.write_text("[serving]\nno-overwrite = true\nprot = 9000\n")
    done = admin.run("--json", "check", str(bad))
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["ok"] is False
    (fault,) = (one["words"] for one in found["findings"] if one["wrong"])
    assert fault.startswith(f"{bad}:3: ")
