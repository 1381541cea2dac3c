"""What runs when a file was stored: real programs, and a reactor that is the test's."""

from __future__ import annotations

import os
import select
import socket
from pathlib import Path

import pytest

from filesrv.server.events import Stored, Storing, Who
from filesrv.transfer.digest import BlockDigests
from filesrv.watch import hooks as hooks_module
from filesrv.watch.hooks import DELAYS, Hook, Hooks
from filesrv.watch.owed import Owed
from filesrv.watch.shown import shown_client
from tests.support.daemon import PATIENCE, Daemon
from tests.support.logs import Log
from tests.support.memory import Server


class Programs:
    """Stands for the processes: a test says when and how each ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: list[dict[str, str]] = []
        self.running: dict[str, object] = {}
        self.abandoned = 0
        monkeypatch.setattr(hooks_module, "run_program", self._run)

    def _run(self, reactor, arguments, environment, timeout, ended):  # type: ignore[no-untyped-def]
        self.begun.append(dict(environment))
        self.running[environment["FILESRV_NAME"]] = ended
        return self

    output = b""

    def abandon(self) -> None:
        self.abandoned += 1

    def end(self, name: str, outcome: str = "done") -> None:
        self.running.pop(name)(outcome)  # type: ignore[operator]

    @property
    def names(self) -> list[str]:
        return [environment["FILESRV_NAME"] for environment in self.begun]


class Hooked:
    """A server in memory, each of whose lives has the hook."""

    def __init__(self, server: Server, limit: int = 2) -> None:
        self.server = server
        self.hook = Hook(["announce"], 30.0, limit)
        self.outcomes: list[str] = []
        self.start()

    def start(self) -> None:
        self.owed = Owed(str(self.server.root / ".filesrv" / "hooks.sqlite"))
        self.hooks = Hooks(
            self.server.reactor,
            self.server.shelves,
            str(self.server.root),
            self.owed,
            self.hook,
            self.outcomes.append,
        )
        self.hooks.start()
        self.server.settle()

    def store(self, name: str, data: bytes = b"hello") -> None:
        self.server.connect().says(f"UPLOAD {name} {len(data)}\n".encode() + data)


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Programs:
    return Programs(monkeypatch)


@pytest.fixture
def hooked(server: Server, programs: Programs) -> Hooked:
    return Hooked(server)


def test_a_hook_is_told_of_the_file_and_whose_it_is(
    server: Server, hooked: Hooked, programs: Programs
) -> None:
    server.connect().says(b'HELLO 0123456789abcdef\nUPLOAD "a name" 5\nhello')

    (told,) = programs.begun
    digests = BlockDigests()
    digests.update(b"hello")
    assert told["FILESRV_NAME"] == "a name"
    assert told["FILESRV_PATH"] == str(server.root / "a name")
    assert told["FILESRV_SIZE"] == "5"
    assert told["FILESRV_DIGEST"] == f"blake3-4m={digests.hexdigest()}"
    assert told["FILESRV_ADDRESS"] == "192.0.2.1"
    assert told["FILESRV_CLIENT"] == "0123…"
    assert told["FILESRV_USER"] == ""
    assert told["FILESRV_ATTEMPT"] == "1"
    assert told["FILESRV_TIME"].endswith("Z")


def test_so_many_run_at_once_and_each_once(
    server: Server, hooked: Hooked, programs: Programs
) -> None:
    for name in "abcd":
        hooked.store(name)
    assert programs.names == ["a", "b"]
    assert hooked.hooks.waiting() == 4

    programs.end("b")
    server.settle()
    assert programs.names == ["a", "b", "c"]
    for name in "acd":
        programs.end(name)
        server.settle()
    server.pass_time(1000)
    assert programs.names == ["a", "b", "c", "d"]
    assert hooked.hooks.waiting() == 0


def test_what_fails_is_tried_again_with_the_same_event_and_given_up_in_the_end(
    server: Server, hooked: Hooked, programs: Programs, log: Log
) -> None:
    hooked.store("f")
    for delay in DELAYS:
        programs.end("f", "failed")
        server.pass_time(delay - 1)
        assert programs.running == {}
        server.pass_time(1)
        assert list(programs.running) == ["f"]
    programs.end("f", "timeout")
    server.pass_time(10 * DELAYS[-1])

    assert len(programs.begun) == len(DELAYS) + 1
    assert len({told["FILESRV_EVENT"] for told in programs.begun}) == 1
    assert [told["FILESRV_ATTEMPT"] for told in programs.begun] == list("12345678")
    assert hooked.outcomes == ["failed"] * len(DELAYS) + ["timeout", "dropped"]
    assert log.lines[-1].endswith("for f: given up")
    assert hooked.hooks.waiting() == 0


def test_what_ran_when_the_daemon_was_killed_runs_again(
    server: Server, hooked: Hooked, programs: Programs
) -> None:
    hooked.store("f")

    server.kill()
    hooked.start()

    assert programs.names == ["f", "f"]
    first, second = programs.begun
    assert first["FILESRV_EVENT"] == second["FILESRV_EVENT"]
    assert second["FILESRV_ATTEMPT"] == "2"


def test_a_kill_just_before_or_behind_the_name_is_told_by_the_file(
    server: Server, hooked: Hooked, programs: Programs
) -> None:
    server.put("has its name", b"hello")
    server.put("is another", b"the old one")
    inode = (server.root / "has its name").stat().st_ino
    who = Who(1, "192.0.2.1", "192.0.2.1(4)")
    for id, name in (("1", "has its name"), ("2", "is another"), ("3", "has none")):
        server.shelves.events.publish(Storing(who, id, name, 5, "0" * 64, inode))

    server.kill()
    hooked.start()

    assert programs.names == ["has its name"]
    assert programs.begun[0]["FILESRV_EVENT"] == "1"


def test_a_file_that_could_not_have_its_name_has_no_hook(
    server: Server, hooked: Hooked, programs: Programs
) -> None:
    client = server.connect()
    client.says(b"UPLOAD f 5 if-absent=yes\nhel")
    server.put("f", b"first")
    client.says(b"lo")
    server.pass_time(3 * 3600)

    assert programs.begun == []
    assert hooked.owed.due(server.reactor.seconds() + 1, 9) == []


def test_stopping_ends_what_runs_and_the_next_start_begins_it_again(
    server: Server, hooked: Hooked, programs: Programs
) -> None:
    hooked.store("f")

    hooked.hooks.stop()
    assert programs.abandoned == 1
    server.restart()
    hooked.start()

    assert programs.names == ["f", "f"]


def test_a_disk_without_room_for_the_note_fails_no_upload(
    server: Server, hooked: Hooked, programs: Programs, log: Log
) -> None:
    hooked.owed.close()
    answers = server.connect().asks(b"UPLOAD f 0 0")

    assert answers[-1].startswith("OK stored=f ")
    assert any("it cannot be noted down" in line for line in log.lines)


def test_what_was_stored_without_being_announced_is_owed_too(
    server: Server, hooked: Hooked, programs: Programs
) -> None:
    who = Who(1, "user:ann", "192.0.2.1(4)")
    server.shelves.events.publish(Stored(who, "7", "f", 5, "0" * 64, 1))
    server.settle()

    assert programs.begun[0]["FILESRV_USER"] == "ann"
    assert programs.begun[0]["FILESRV_CLIENT"] == "user:ann"


@pytest.mark.parametrize("client", ["192.0.2.1", "2001:db8::1:2:3:4", "user:someone-with-a-name"])
def test_what_is_no_token_is_shown(client: str) -> None:
    assert shown_client(client) == client


SCRIPT = """#!/bin/sh
case $FILESRV_NAME in
    slow) sleep 1000 & echo $! > "$OUT/child"; echo waiting; wait ;;
    bad) echo "no such thing" >&2; printf 'a\\033[31m\\n'; exit 3 ;;
esac
read nothing && exit 9
echo "$FILESRV_NAME $FILESRV_SIZE $1" >> "$HOME/said"
"""


def test_real_programs_run_fail_and_are_ended_in_time(tmp_path: Path) -> None:
    script = tmp_path / "announce"
    script.write_text(SCRIPT.replace("$OUT", str(tmp_path)))
    script.chmod(0o755)
    options = (f"--on-stored={script} 'two words'", "--hook-timeout=1")
    with Daemon(tmp_path / "root", *options, env={"HOME": str(tmp_path)}) as daemon:
        mark = daemon.mark()
        for name in ("good", "bad", "slow"):
            upload(daemon, name)
        daemon.wait_for_log("for good, attempt 1: done", mark)
        daemon.wait_for_log("for bad, attempt 1: failed", mark)
        daemon.wait_for_log("says: no such thing", mark)
        daemon.wait_for_log("says: a\\x1b[31m", mark)
        daemon.wait_for_log("for slow, attempt 1: timeout", mark)
        assert (tmp_path / "said").read_text() == "good 5 two words\n"
        child = int((tmp_path / "child").read_text())
        assert not runs(child)
        assert daemon.status("Threads") == "1"


def test_a_hook_outlives_a_kill_of_the_daemon(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    script = tmp_path / "announce"
    script.write_text(f"#!/bin/sh\n[ -e {gate} ] || kill -9 $PPID\n")
    script.chmod(0o755)
    daemon = Daemon(tmp_path / "root", f"--on-stored={script}")
    daemon.start()
    mark = daemon.mark()
    upload(daemon, "f")
    with open(os.pidfd_open(daemon.pid), closefd=True) as ended:
        assert select.select([ended], [], [], PATIENCE)[0]
    daemon.kill()
    gate.touch()

    daemon.start()

    assert "for f, attempt 2: done" in daemon.wait_for_log("attempt 2", mark)
    daemon.stop()


def upload(daemon: Daemon, name: str) -> None:
    with socket.create_connection(("127.0.0.1", daemon.port)) as connection:
        connection.sendall(f"UPLOAD {name} 5\nhello".encode())
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
