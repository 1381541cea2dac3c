"""How the daemon starts, what it says then, and what it says when it cannot."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from filesrv import __version__
from tests.support.conversation import Conversation
from tests.support.daemon import (
    LOOPBACK,
    PATIENCE,
    Daemon,
    environment,
    process_status,
    program,
    wait_for_reactor,
)


def twistd(
    *options: str, cwd: Path, before: tuple[str, ...] = ("-n", "--pidfile="), **env: str
) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run(
        [program("twistd"), *before, "filesrv", *options],
        cwd=cwd,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        text=True,
        check=False,
    )


def test_on_start_it_says_where_it_listens_what_it_serves_and_to_whom(daemon: Daemon) -> None:
    daemon.wait_for_log(f"listening on 127.0.0.1:{daemon.port}")
    daemon.wait_for_log(f"serving {daemon.root}")
    daemon.wait_for_log("anybody who reaches this server may read and write its files")


def test_a_root_that_is_missing_is_made_with_its_parents(tmp_path: Path) -> None:
    with Daemon(tmp_path / "some" / "where" / "root", cwd=tmp_path) as daemon:
        assert daemon.state.is_dir()
        assert daemon.state.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("variable", "place"),
    [
        ({}, "filesrv-files"),
        ({"STATE_DIRECTORY": ""}, "filesrv-files"),
        ({"STATE_DIRECTORY": "{0}/state"}, "state"),
        ({"STATE_DIRECTORY": "{0}/state:{0}/second"}, "state"),
    ],
    ids=["without", "empty", "one", "two"],
)
def test_without_a_root_the_files_are_where_systemd_says_or_here(
    tmp_path: Path, variable: dict[str, str], place: str
) -> None:
    env = {key: value.format(tmp_path) for key, value in variable.items()}
    daemon = Daemon(tmp_path / place, cwd=tmp_path, env=env, name_root=False)
    with daemon:
        assert daemon.state.is_dir()
        daemon.wait_for_log(f"serving {tmp_path / place}")


def test_a_relative_root_is_one_of_the_directory_it_is_started_in(tmp_path: Path) -> None:
    with Daemon(Path("here"), cwd=tmp_path) as daemon:
        daemon.wait_for_log(f"serving {tmp_path / 'here'}")
    assert (tmp_path / "here" / ".filesrv").is_dir()


def test_with_no_overwrite_what_is_published_stays(tmp_path: Path) -> None:
    with (
        Daemon(tmp_path / "root", "--no-overwrite") as daemon,
        Conversation(daemon.port) as client,
    ):
        client.say("UPLOAD once.txt 3 0")
        client.send(b"one")
        assert client.line() == "OK offset=0 length=3"
        assert client.line().startswith("OK stored=once.txt ")
        client.say("UPLOAD once.txt 3 0")
        client.send(b"two")
        for refused in (client.line(), client.ask("DELETE once.txt")):
            assert refused.startswith("ERR EXISTS ")
        assert client.ask("RENAME once.txt other.txt").startswith("ERR EXISTS ")
        assert client.ask("DELETE none.txt").startswith("ERR NOT_FOUND ")
        client.say("DOWNLOAD once.txt")
        assert client.line().startswith("OK offset=0 length=3 ")
        assert client.read(3) == b"one"


def one_line(ended: subprocess.CompletedProcess[str]) -> str:
    """What is on stderr, which is one line; and on stdout no more than twistd's own."""
    assert ended.returncode == 1
    assert "Traceback" not in ended.stdout + ended.stderr
    for line in ended.stdout.splitlines():
        assert re.search(r"UnixAppLogger#info\] (twistd|reactor class)|\[-\] ", line), line
    (words,) = ended.stderr.splitlines()
    assert words.startswith("filesrv: ")
    return words.removeprefix("filesrv: ")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--bogus", "option --bogus not recognized"),
        ("surplus", "Wrong number of arguments."),
        ("--port=65536", "--port 65536: ports go up to 65535"),
        ("--port=9000x", "--port 9000x: "),
        ("--port=nonsense:9000", "--port nonsense:9000: Unknown endpoint type: 'nonsense'"),
        ("--port=tcp:many", "--port tcp:many: "),
        ("--port=systemd:domain=INET:index=0", "--port systemd:domain=INET:index=0: "),
        ("--port=unix:none/socket", "cannot listen on unix:none/socket: No such file or directory"),
        (
            "--port=tcp:0:interface=192.0.2.1",
            "cannot listen on tcp:0:interface=192.0.2.1: Cannot assign requested address",
        ),
        ("--keep-partials=soon", "--keep-partials takes a number"),
        ("--keep-partials=-1", "--keep-partials takes a number"),
        ("--keep-partials=nan", "--keep-partials takes a number"),
    ],
)
def test_what_cannot_be_asked_for_is_one_line_and_status_1(
    tmp_path: Path, options: str, words: str
) -> None:
    ended = twistd("--root=root", *options.split(), cwd=tmp_path)
    assert one_line(ended).startswith(words)
    assert not list(tmp_path.rglob("*.pid"))


def test_a_port_in_use_is_one_line_and_status_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = f"tcp:{other.getsockname()[1]}:interface=127.0.0.1"
        ended = twistd("--root=root", f"--port={port}", cwd=tmp_path)
        assert one_line(ended) == f"cannot listen on {port}: Address already in use"
        number = str(other.getsockname()[1])
        assert one_line(twistd(f"--port={number}", cwd=tmp_path)).startswith(
            f"cannot listen on {number}: "
        )


def test_a_root_below_a_file_is_one_line_and_status_1(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    ended = twistd(f"--root={tmp_path}/file/root", f"--port={LOOPBACK}", cwd=tmp_path)
    assert one_line(ended) == f"cannot keep files in {tmp_path}/file/root: Not a directory"


def test_a_root_that_is_a_file_is_one_line_and_status_1(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    ended = twistd("--root=file", f"--port={LOOPBACK}", cwd=tmp_path)
    assert one_line(ended) == f"cannot keep files in {tmp_path}/file: File exists"


def test_a_root_where_nothing_can_be_made_is_one_line_and_status_1(tmp_path: Path) -> None:
    # Nobody makes a directory there, root included.
    ended = twistd("--root=/proc/filesrv", f"--port={LOOPBACK}", cwd=tmp_path)
    assert one_line(ended).startswith("cannot keep files in /proc/filesrv: ")


def test_a_second_daemon_on_one_root_is_one_line_and_status_1(daemon: Daemon) -> None:
    ended = twistd(f"--root={daemon.root}", f"--port={LOOPBACK}", cwd=daemon.root)
    assert one_line(ended) == f"another filesrv serves {daemon.root}"
    with Conversation(daemon.port) as client:
        assert client.ask("ECHO the first is well") == "the first is well"


def test_a_registry_that_cannot_be_read_is_one_line_and_status_1(tmp_path: Path) -> None:
    with Daemon(tmp_path / "root") as daemon:
        registry = daemon.state / "registry.sqlite"
    registry.write_bytes(b"no database at all " * 1000)
    ended = twistd(f"--root={daemon.root}", f"--port={LOOPBACK}", cwd=tmp_path)
    assert one_line(ended).startswith("cannot open the registry in ")


def test_help_and_version_are_said_without_starting_anything(tmp_path: Path) -> None:
    said = twistd("--help", cwd=tmp_path)
    assert said.returncode == 0
    for option in ("--port", "--root", "--no-overwrite", "--keep-partials"):
        assert option in said.stdout
    said = twistd("--version", cwd=tmp_path)
    assert (said.returncode, said.stdout) == (0, f"filesrv {__version__}\n")
    assert list(tmp_path.iterdir()) == []


def test_twistd_lists_the_plugin(tmp_path: Path) -> None:
    said = subprocess.run(
        [program("twistd"), "--help"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert re.search(r"^\s+filesrv\s+A file server whose transfers", said.stdout, re.MULTILINE)


def in_background(cwd: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return twistd(*options, cwd=cwd, before=("--pidfile=pid", "--logfile=log"))


def test_in_the_background_it_logs_to_its_file_and_stops_cleanly(tmp_path: Path) -> None:
    started = in_background(tmp_path, "--root=root", f"--port={LOOPBACK}")
    assert (started.returncode, started.stdout, started.stderr) == (0, "", "")
    pid = int((tmp_path / "pid").read_text())
    ended = os.pidfd_open(pid)
    try:
        wait_for_reactor(pid)
        match = re.search(r"listening on 127\.0\.0\.1:(\d+)", (tmp_path / "log").read_text())
        assert match is not None
        with Conversation(int(match[1])) as client:
            assert client.ask("ECHO from behind") == "from behind"
            client.ask("QUIT")
            assert client.read() == b""
        assert process_status(pid, "Threads") == "1"
        assert (tmp_path / "root").stat().st_mode & 0o777 == 0o700
    finally:
        os.kill(pid, signal.SIGTERM)
        select_readable(ended)
    log = (tmp_path / "log").read_text()
    assert "left: closed" in log
    assert log.rstrip().endswith("Server Shut Down.")
    assert "Traceback" not in log
    assert not (tmp_path / "pid").exists()


def select_readable(descriptor: int) -> None:
    """Wait for the end of a process that is not our child."""
    readable, _, _ = select.select([descriptor], [], [], PATIENCE)
    os.close(descriptor)
    assert readable, "it did not end"


def test_a_background_start_that_fails_says_so_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = f"tcp:{other.getsockname()[1]}:interface=127.0.0.1"
        started = in_background(tmp_path, "--root=root", f"--port={port}")
    assert started.returncode == 1
    assert f"cannot listen on {port}: Address already in use"[:98] in started.stderr
    log = (tmp_path / "log").read_text()
    assert log.rstrip().endswith(f"cannot listen on {port}: Address already in use")
    assert "Traceback" not in log
    assert not (tmp_path / "pid").exists()
