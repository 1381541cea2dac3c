"""The command against a daemon, each in a process of its own, as people use them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import termios
import time
from array import array
from pathlib import Path
from typing import IO

import pytest

from tests.client.commands import Commands, wait_until
from tests.support.daemon import Daemon, process_status, program

MIB = 1024 * 1024

FINAL_LINE = r"{name}  {size} bytes in \d+\.\d{{3}} s, [0-9.]+[kMGT]?bit/s\n"


@pytest.fixture
def user(tmp_path: Path, daemon: Daemon) -> Commands:
    return Commands(tmp_path, daemon)


@pytest.fixture
def large(user: Commands) -> bytes:
    """The content of a file that takes a while at a limited rate."""
    content = random.Random(4).randbytes(24 * MIB)
    (user.here / "large").write_bytes(content)
    return content


def test_a_file_goes_up_and_comes_down_with_a_final_line_each(user: Commands) -> None:
    content = os.urandom(1_000_000)
    (user.here / "report.pdf").write_bytes(content)

    up, _ = user.run("upload", "report.pdf", "--as", "a/b.pdf")
    down, _ = user.run("download", "a/b.pdf", "-o", "back.pdf")

    assert re.fullmatch(FINAL_LINE.format(name="report.pdf", size=1_000_000), up)
    assert re.fullmatch(FINAL_LINE.format(name="back.pdf", size=1_000_000), down)
    assert (user.here / "back.pdf").read_bytes() == content
    assert sorted(os.listdir(user.here)) == ["back.pdf", "report.pdf"]


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_upload_that_was_killed_is_gone_on_with(
    user: Commands, large: bytes, by: signal.Signals
) -> None:
    process = user.interrupted(
        "--limit-rate", "20M", "upload", "large", when=lambda: user.held() > 4 * MIB, by=by
    )
    said, _ = user.run("--json", "upload", "large")

    assert process.returncode == (-9 if by is signal.SIGKILL else 130)
    assert (user.daemon.root / "large").read_bytes() == large
    assert json.loads(said)["moved"] < len(large) - 4 * MIB + MIB


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_download_that_was_killed_is_gone_on_with(
    user: Commands, large: bytes, by: signal.Signals
) -> None:
    user.run("upload", "large", "--as", "there")

    process = user.interrupted(
        "--limit-rate",
        "20M",
        "download",
        "there",
        when=lambda: user.arrived("there") > 4 * MIB,
        by=by,
    )
    said, _ = user.run("--json", "download", "there")

    assert process.returncode == (-9 if by is signal.SIGKILL else 130)
    assert (user.here / "there").read_bytes() == large
    assert json.loads(said)["moved"] < len(large) - 4 * MIB


def test_a_daemon_that_is_killed_and_restarted_is_waited_for(user: Commands, large: bytes) -> None:
    user.run("upload", "large", "--as", "there")
    for arguments, come in (
        (["upload", "large"], user.held),
        (["download", "there"], lambda: user.arrived("there")),
    ):
        with user.start("--limit-rate", "20M", *arguments) as process:
            wait_until(lambda come=come: come() > 4 * MIB)  # type: ignore[misc]
            user.daemon.kill()
            user.daemon.restart()
            _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert b"trying again" in err
        assert b"going on" in err

    assert (user.daemon.root / "large").read_bytes() == large
    assert (user.here / "there").read_bytes() == large


def test_ctrl_c_ends_within_a_second_wherever_it_comes(user: Commands, large: bytes) -> None:
    def seconds_to_end(process: subprocess.Popen[bytes]) -> float:
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode == 130
        return time.monotonic() - started

    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        user.start(f"--server=127.0.0.1:{silent.getsockname()[1]}", "list") as connecting,
    ):
        accepted, _ = silent.accept()
        assert seconds_to_end(connecting) < 1
        accepted.close()
    with user.start("--limit-rate=10M", "upload", "large") as sending:
        wait_until(lambda: user.held() > MIB)
        assert seconds_to_end(sending) < 1
    with user.start("--limit-rate=10M", "upload", "large") as waiting:
        wait_until(lambda: user.held() > 5 * MIB)
        user.daemon.kill()
        assert waiting.stderr is not None
        assert b"trying again" in waiting.stderr.readline()
        assert seconds_to_end(waiting) < 1
    with user.start("upload", "-", "--as", "f", stdin=subprocess.PIPE) as spooling:
        wait_until(lambda: list(user.state.glob("filesrv/spool/.incoming-*")))
        assert seconds_to_end(spooling) < 1
    user.daemon.start()


def test_one_thread_does_it_all_also_to_a_host_name(tmp_path: Path, daemon: Daemon) -> None:
    user = Commands(tmp_path, daemon, host="localhost")
    (user.here / "f").write_bytes(bytes(24 * MIB))
    with user.start("--limit-rate", "20M", "upload", "f") as process:
        wait_until(lambda: user.held() > MIB)
        assert process_status(process.pid, "Threads") == "1"
        assert daemon.status("Threads") == "1"
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    with user.start("--limit-rate", "20M", "download", "f", "-o", "g") as process:
        wait_until(lambda: user.arrived("g") > MIB)
        assert process_status(process.pid, "Threads") == "1"
        assert daemon.status("Threads") == "1"
        process.communicate(timeout=60)
    assert process.returncode == 0


ODD_NAMES = ["with blank", "quo\"te's", "日本語 ünïcödé", "-dash", "[x]*?", "a=b", "$(x);y", "~"]


def test_a_whole_tree_goes_up_and_comes_down_as_it_was(user: Commands) -> None:
    tree = user.here / "tree"
    chance = random.Random(5)
    for number in range(500):
        path = tree / f"d{number % 7}" / f"sub{number % 3}" / f"f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(chance.randrange(5000)))
        os.utime(path, ns=(0, chance.randrange(10**18)))
    for name in ODD_NAMES:
        (tree / name).write_bytes(name.encode())
    (tree / "large").write_bytes(chance.randbytes(MIB))

    user.run("upload", "-r", "tree")
    user.run("download", "-r", "tree", "-o", "back")

    subprocess.run(["diff", "-r", "tree", "back/tree"], cwd=user.here, check=True)
    for path in tree.rglob("f*"):
        back = user.here / "back" / path.relative_to(user.here)
        assert back.stat().st_mtime_ns == path.stat().st_mtime_ns


def test_names_that_look_like_something_else_are_just_names(user: Commands) -> None:
    for name in ODD_NAMES:
        (user.here / name).write_bytes(name.encode())

    user.run("upload", "--into", "odd", "--", *ODD_NAMES)
    for name in ODD_NAMES:
        user.run("download", "-o", "back", "--", f"odd/{name}")
        assert (user.here / "back").read_bytes() == name.encode()


def test_patterns_fetch_what_they_match_on_the_server(user: Commands) -> None:
    for name in ("a1.txt", "a2.txt", "b1.txt", "sub/a3.txt"):
        place = user.daemon.root / "docs" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(name.encode())

    user.run("download", "docs/a*.txt", "docs/**/a3*", "-o", "got")

    got = {p.relative_to(user.here / "got").as_posix() for p in user.here.rglob("got/**/*.txt")}
    assert got == {"a1.txt", "a2.txt", "sub/a3.txt"}


def test_two_files_of_one_name_are_refused_before_one_replaces_the_other(user: Commands) -> None:
    for name in ("a/same", "b/same"):
        (user.daemon.root / name).parent.mkdir()
        (user.daemon.root / name).write_bytes(name.encode())

    _, err = user.run("download", "a/same", "b/same", status=1)

    assert "both become same" in err
    assert os.listdir(user.here) == []


def test_what_comes_through_a_pipe_arrives_and_is_not_kept_twice(user: Commands) -> None:
    content = os.urandom(3 * MIB)

    user.run("upload", "-", "--as", "piped", stdin=content)

    assert (user.daemon.root / "piped").read_bytes() == content
    assert list(user.state.glob("filesrv/spool/*")) == []


def test_a_pipe_whose_upload_fails_is_kept_and_said_how_to_go_on_with(user: Commands) -> None:
    (user.daemon.root / "taken").mkdir()

    _, err = user.run("upload", "-", "--as", "taken", stdin=b"precious", status=1)

    (kept,) = user.state.glob("filesrv/spool/*")
    assert kept.read_bytes() == b"precious"
    (user.daemon.root / "taken").rmdir()
    said = re.search(r"go on with: filesrv (.*)", err)
    assert said is not None
    subprocess.run(f"{program('filesrv')} {said[1]}", shell=True, env=user.environment, check=True)
    assert (user.daemon.root / "taken").read_bytes() == b"precious"
    assert not kept.exists()


def test_a_download_into_a_pipe_is_nothing_but_the_file(user: Commands) -> None:
    content = os.urandom(3 * MIB)
    (user.daemon.root / "f").write_bytes(content)
    (user.daemon.root / "g").write_bytes(b"and this")

    with user.start("download", "f", "g", "-o", "-") as process:
        out, err = process.communicate()

    assert out == content + b"and this"
    assert len(err.splitlines()) == 2
    assert os.listdir(user.here) == []


def test_a_pipe_that_nobody_reads_to_its_end_is_no_error_to_talk_about(user: Commands) -> None:
    (user.daemon.root / "f").write_bytes(bytes(24 * MIB))
    reader, writer = os.pipe()
    with user.start("download", "f", "-o", "-", stdout=writer) as process:
        os.close(writer)
        os.read(reader, 10)
        os.close(reader)
        _, err = process.communicate(timeout=30)
    assert err == b""

    for name in range(3000):
        (user.daemon.root / f"a-long-name-to-fill-a-pipe-{name:04}").write_bytes(b"")
    reader, writer = os.pipe()
    with user.start("list", stdout=writer) as process:
        os.close(writer)
        os.close(reader)
        _, err = process.communicate(timeout=30)
    assert err == b""


def test_a_slow_reader_of_a_pipe_gets_it_all(user: Commands) -> None:
    content = os.urandom(8 * MIB)
    (user.daemon.root / "f").write_bytes(content)
    with user.start("download", "f", "-o", "-") as process:
        assert process.stdout is not None
        came = os.read(process.stdout.fileno(), 10)
        wait_until(lambda: _unread(process.stdout) > 0)
        rest, _ = process.communicate()

    assert came + rest == content
    assert process.returncode == 0


def _unread(pipe: IO[bytes] | None) -> int:
    assert pipe is not None
    waiting = array("i", [0])
    fcntl.ioctl(pipe.fileno(), termios.FIONREAD, waiting)
    return waiting[0]


def test_a_device_is_written_to_and_not_replaced(user: Commands) -> None:
    (user.daemon.root / "f").write_bytes(b"x" * 1000)

    user.run("download", "f", "-o", "/dev/null")

    assert Path("/dev/null").is_char_device()


def test_single_questions_are_answered(user: Commands) -> None:
    content = b"content"
    (user.here / "f").write_bytes(content)
    user.run("upload", "f")

    assert user.run("echo", "a  b", "c")[0] == "a  b c\n"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]+[+-]\d\d:\d\d\n", user.run("time")[0])
    assert user.run("hash", "f")[0] == f"{hashlib.sha256(content).hexdigest()}  f\n"
    assert re.fullmatch(r"f  size=7  modified=\S+  version=\S+\n", user.run("stat", "f")[0])
    assert re.fullmatch(r"7  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  f\n", user.run("list")[0])
    (listed,) = json.loads(user.run("list", "--json")[0])
    assert (listed["name"], listed["size"], listed["type"]) == ("f", 7, "file")
    user.run("rename", "f", "g h")
    user.run("delete", "g h")
    assert user.run("list")[0] == ""


def test_unfinished_uploads_are_listed_and_discarded(user: Commands, large: bytes) -> None:
    user.interrupted(
        "--limit-rate=20M",
        "upload",
        "large",
        when=lambda: user.held() > MIB,
        by=signal.SIGKILL,
    )
    user.daemon.wait_for_log("left:")

    listed, _ = user.run("pending")
    elsewhere, _ = user.run("pending", "--no-token")
    user.run("discard", "large")

    assert re.fullmatch(r"upload +\d+ of 25165824  expires \S+, (closed|reset)  large\n", listed)
    assert elsewhere == ""
    assert user.run("pending")[0] == ""


def test_who_moves_to_another_address_is_still_the_same_client(user: Commands) -> None:
    token = user.state / "filesrv/token"

    user.run("list")

    assert token.stat().st_mode & 0o777 == 0o600
    assert token.read_text().strip() not in user.daemon.log


def test_refusals_are_one_line_and_exit_status_1(user: Commands) -> None:
    out, err = user.run("download", "no\tsuch\x1bfile", status=1)
    assert out == ""
    assert err.startswith("filesrv: refused: ")
    assert "\x1b" not in err

    _, err = user.run("download", "nix", status=1)
    assert err == "filesrv: refused: there is no file nix (NOT_FOUND)\n"
    assert os.listdir(user.here) == []


def test_a_directory_with_hostile_local_links_is_not_left(user: Commands) -> None:
    (user.daemon.root / "docs").mkdir()
    (user.daemon.root / "docs/f").write_bytes(b"x")
    (user.here / "elsewhere").mkdir()
    (user.here / "docs").symlink_to("elsewhere")

    user.run("download", "-r", "docs", status=1)

    assert os.listdir(user.here / "elsewhere") == []


def test_another_program_behind_the_port_is_said_to_be_one(user: Commands) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        user.start(f"--server=127.0.0.1:{other.getsockname()[1]}", "list") as process,
    ):
        connection, _ = other.accept()
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        _, err = process.communicate(timeout=30)
        connection.close()

    assert process.returncode == 1
    assert b"filesrv protocol" in err
    assert err.count(b"\n") == 1


def test_a_server_that_is_not_there_is_status_75_for_a_question(user: Commands) -> None:
    user.daemon.kill()

    _, err = user.run("list", status=75)

    assert re.fullmatch(r"filesrv: cannot connect to \S+: the connection was refused\n", err)
    user.daemon.start()


def test_a_local_file_that_is_missing_is_wrong_usage(user: Commands) -> None:
    _, err = user.run("upload", "missing", status=2)

    assert err == "filesrv: missing: No such file or directory\n"


def test_help_does_not_wait_for_what_it_does_not_need(user: Commands) -> None:
    out, _ = user.run("--help")

    assert "upload" in out
    heavy = {"twisted.internet.reactor", "twisted", "rich", "blake3", "prompt_toolkit", "asyncio"}
    code = (
        "import sys, filesrv.client, filesrv.client.cli as cli\n"
        "cli.main(['--help'])\n"
        "print('LOADED', *sorted(sys.modules))"
    )
    done = subprocess.run(
        [program("python"), "-c", code], capture_output=True, text=True, check=True
    )
    assert heavy.isdisjoint(done.stdout.rpartition("LOADED")[2].split())
