"""The interactive session: from a pipe, and on a terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.client.commands import Commands, wait_until
from tests.support.daemon import Daemon, process_status, program

MIB = 1024 * 1024

PROMPT = r":\d+>"


@pytest.fixture
def user(tmp_path: Path, daemon: Daemon) -> Commands:
    return Commands(tmp_path, daemon)


class Terminal:
    """A person in front of C{filesrv shell}."""

    def __init__(self, user: Commands, *arguments: str) -> None:
        self.user = user
        self.process = pexpect.spawn(
            program("filesrv"),
            [*arguments, "shell"],
            cwd=str(user.here),
            # The question of where the cursor is, nobody answers here.
            env=user.environment | {"PROMPT_TOOLKIT_NO_CPR": "1"},
            timeout=20,
            encoding="utf-8",
            dimensions=(24, 100),
        )
        if "-v" in sys.argv:
            self.process.logfile_read = sys.stdout
        self.sees(PROMPT)

    def types(self, text: str) -> None:
        self.process.send(text)

    def sees(self, *patterns: str) -> None:
        """Wait for each in turn."""
        for pattern in patterns:
            self.process.expect(pattern)

    def leaves(self) -> None:
        self.process.expect(pexpect.EOF)
        self.process.close()


@pytest.fixture
def terminal(user: Commands) -> Generator[Terminal]:
    (user.daemon.root / "docs").mkdir()
    (user.daemon.root / "docs/with blank").write_bytes(b"x" * 5)
    (user.daemon.root / "docs/report").write_bytes(b"x" * 7)
    (user.daemon.root / "large").write_bytes(bytes(64 * MIB))
    terminal = Terminal(user)
    yield terminal
    terminal.process.close(force=True)


def test_lines_from_a_pipe_are_performed_over_one_connection(user: Commands) -> None:
    (user.here / "f").write_bytes(b"content")
    lines = b'upload f --as "a b"\r\n\nlist\nhash "a b"\nrename "a b" c\necho x  y\nlist c\n'

    out, err = user.run("shell", stdin=lines)

    assert re.fullmatch(
        r"f  7 bytes .*\n7  \S+ \S+  a b\n[0-9a-f]{64}  a b\nx y\n7  \S+ \S+  c\n", out
    )
    assert err == ""
    assert user.daemon.log.count(" connected") == 1


def test_what_fails_is_said_and_the_next_line_is_performed(user: Commands) -> None:
    out, err = user.run(
        "shell", stdin=b"stat nix\nnonsense\nlist --nonsense\necho 'open\ntime", status=1
    )

    assert len(out.splitlines()) == 1
    assert "NOT_FOUND" in err
    assert "nonsense is no command" in err
    assert "No closing quotation" in err
    assert err.splitlines()[-1] == "filesrv: 4 commands failed"


def test_quit_ends_it_whatever_follows(user: Commands) -> None:
    out, _ = user.run("shell", stdin=b"echo one\nquit\necho two\n")

    assert out == "one\n"


def test_who_was_idle_for_too_long_notices_nothing(tmp_path: Path) -> None:
    with Daemon(tmp_path / "root", "--idle-timeout=1") as daemon:
        user = Commands(tmp_path, daemon)
        with user.start("shell", stdin=-1) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(b"echo one\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"one\n"
            daemon.wait_for_log("left: idle")
            out, err = process.communicate(b"echo two\n")

    assert (out, err) == (b"two\n", b"")


def test_a_connection_that_was_lost_meanwhile_is_made_anew(user: Commands) -> None:
    with user.start("shell", stdin=-1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"echo one\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"one\n"
        user.daemon.restart()
        out, err = process.communicate(b"echo two\n")

    assert out == b"two\n", err
    assert process.returncode == 0


def test_help_lists_the_words_and_explains_one(user: Commands) -> None:
    out, _ = user.run("shell", stdin=b"help\nhelp upload\n")

    assert "download" in out
    assert "quit" in out
    assert "--if-absent" in out


def test_verbs_and_the_servers_names_are_completed(terminal: Terminal) -> None:
    terminal.types("sta\t")
    terminal.sees(r"sta(\x1b\[[0-9;?]*[a-zA-Z])*t")  # what is completed may be drawn by itself
    terminal.types("do\t")
    terminal.sees("cs/")
    terminal.types("rep\t")
    terminal.sees("ort")
    terminal.types("\r")
    terminal.sees(r"docs/report  size=7", PROMPT)
    terminal.types("stat docs/w\t")
    terminal.sees("blank'")
    terminal.types("\r")
    terminal.sees(r"size=5", PROMPT)


def test_local_names_are_completed_for_upload(terminal: Terminal) -> None:
    (terminal.user.here / "here and there").write_bytes(b"12345")

    terminal.types("upload he\t")
    terminal.sees("there'")
    terminal.types("\r")

    terminal.sees("here and there  5 bytes", PROMPT)


def test_lines_are_remembered_until_the_next_time(terminal: Terminal) -> None:
    terminal.types("echo remembered\r")
    terminal.sees(r"remembered\r\n", PROMPT)
    terminal.types("quit\r")
    terminal.leaves()

    again = Terminal(terminal.user)
    again.types("\x1b[A\x1b[A\r")
    again.sees(r"remembered\r\n", PROMPT)
    again.types("\x04")
    again.leaves()

    assert (again.process.exitstatus, again.process.signalstatus) == (0, None)


def test_ctrl_c_ends_what_a_line_does_and_not_the_shell(terminal: Terminal) -> None:
    terminal.types("quit\r")
    terminal.leaves()
    terminal = Terminal(terminal.user, "--limit-rate", "10M")
    terminal.types("download large\r")
    wait_until(lambda: terminal.user.arrived("large") > MIB)

    terminal.types("\x03")

    terminal.sees("interrupted; what has arrived is kept", PROMPT)
    terminal.types("echo still here\r")
    terminal.sees(r"still here\r\n", PROMPT)
    terminal.types("\x04")
    terminal.leaves()
    assert terminal.user.arrived("large") > MIB


def test_one_thread_does_it_all_here_too(terminal: Terminal) -> None:
    terminal.types("stat docs/re\t")
    terminal.sees("port")
    terminal.types("\r")
    terminal.sees("size=7", PROMPT)

    pid: Any = terminal.process.pid
    assert process_status(pid, "Threads") == "1"


def test_a_transfer_shows_its_bar_and_leaves_its_line(terminal: Terminal) -> None:
    terminal.types("download large -o copy\r")

    terminal.sees("copy  67108864 bytes in", PROMPT)
    assert (terminal.user.here / "copy").stat().st_size == 64 * MIB
