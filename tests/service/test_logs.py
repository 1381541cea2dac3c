"""The log: one event is one line, for people, for the journal and for programs."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.logger import LogEvent, LogLevel
from twisted.python.failure import Failure

from filesrv.service.logs import journal_line, json_line, observer_of, text_line
from tests.support.conversation import Conversation
from tests.support.daemon import PATIENCE, Daemon, environment, program


def event(text: str, **fields: Any) -> LogEvent:
    return {
        "log_format": "said {text}",
        "text": text,
        "log_time": 1.5,
        "log_level": LogLevel.warn,
        "log_namespace": "filesrv.tests",
        **fields,
    }


def failed() -> LogEvent:
    try:
        raise ValueError("first\nsecond \x1b[2J")
    except ValueError:
        return event("x", log_failure=Failure(), log_level=LogLevel.critical)


@settings(max_examples=50)
@given(st.text())
def test_whatever_is_said_one_event_is_one_line(text: str) -> None:
    said = event(text)
    for line in (text_line(said), journal_line(said), json_line(said)):
        assert line.endswith("\n")
        assert len(line[:-1].splitlines()) == 1
        assert line[:-1].isprintable() or not text.isprintable()
        line.encode("utf-8")
    assert json.loads(json_line(said))["text"] == text


@pytest.mark.parametrize("sly", ["\n", "\r", "\x1b[1A", "\x9b1A", "\u2028", "\u202e", "\x00"])
def test_controls_are_shown_and_not_obeyed(sly: str) -> None:
    shown = sly.encode("unicode-escape").decode()
    assert text_line(event(f"a{sly}b")).endswith(f" [filesrv.tests#warn] said a{shown}b\n")
    assert journal_line(event(f"a{sly}b")).startswith("<4>said a\\")


def test_a_traceback_belongs_to_its_event() -> None:
    first, *others = text_line(failed()).splitlines()
    assert first.endswith("[filesrv.tests#critical] said x")
    assert others
    assert all(line.startswith("\t") for line in others)
    assert {line[:3] for line in journal_line(failed()).splitlines()} == {"<2>"}
    assert "ValueError: first\nsecond" in json.loads(json_line(failed()))["traceback"]
    assert "\x1b" not in text_line(failed()) + journal_line(failed()) + json_line(failed())


def test_where_twistd_is_to_log_in_another_way_it_does() -> None:
    assert observer_of({"nodaemon": True, "logger": object()}, "json", {}) is None
    assert observer_of({"nodaemon": True, "syslog": True}, "json", {}) is None
    assert observer_of({"nodaemon": True}, "json", {}) is not None


def transfers(lines: list[str]) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in lines]
    return [found for found in events if found["event"] == "transfer"]


class TestTwistd:
    def test_every_line_is_an_object_and_a_transfer_is_told_in_full(self, tmp_path: Path) -> None:
        with Daemon(tmp_path / "root", "--log-format=json") as daemon:
            with Conversation(daemon.port) as client:
                client.ask('UPLOAD "a name" 5 0\nhello')
                client.ask("DOWNLOAD none")
            daemon.wait_for_log('"left"')
        [found] = transfers(daemon.log_lines)
        assert found["peer"].startswith("127.0.0.1(")
        assert (found["what"], found["name"], found["moved"]) == ("upload", "a name", 5)
        assert (found["how"], found["user"], found["level"]) == ("complete", None, "info")
        assert found["seconds"] >= 0
        assert found["bits_per_second"] > 0
        assert datetime.fromisoformat(found["time"]).utcoffset() is not None

    def test_who_renamed_and_who_deleted_a_file_can_be_read(self, tmp_path: Path) -> None:
        with Daemon(tmp_path / "root", "--log-format=json") as daemon:
            with Conversation(daemon.port) as client:
                client.ask("UPLOAD a 5 0\nhello")
                client.ask('RENAME a "b c"')
                client.ask("DELETE none")
                client.ask('DELETE "b c"')
            daemon.wait_for_log('"left"')
        events = [json.loads(line) for line in daemon.log_lines]
        renamed, deleted = (one for one in events if one["event"] in ("renamed", "deleted"))
        assert (renamed["event"], renamed["name"], renamed["new"]) == ("renamed", "a", "b c")
        assert (deleted["event"], deleted["name"]) == ("deleted", "b c")
        assert deleted["message"] == f'client {deleted["peer"]}: deleted "b c"'

    def test_lines_for_the_journal_have_their_priority(self, tmp_path: Path) -> None:
        """systemd says in JOURNAL_STREAM which file its journal is at."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.settimeout(PATIENCE)
            status = os.fstat(theirs.fileno())
            process = subprocess.Popen(
                [
                    *(program("twistd"), "-n", "--pidfile=", "filesrv"),
                    *("--port=tcp:0:interface=127.0.0.1", f"--root={tmp_path / 'root'}"),
                ],
                stdout=theirs.fileno(),
                env=environment(JOURNAL_STREAM=f"{status.st_dev}:{status.st_ino}"),
                cwd=tmp_path,
            )
            try:
                with ours.makefile(encoding="utf-8") as journal:
                    lines = [next(journal).rstrip("\n")]
                    while "anybody who reaches" not in lines[-1]:
                        lines.append(next(journal).rstrip("\n"))
            finally:
                process.kill()
                process.wait()
        assert {line[:3] for line in lines} == {"<6>", "<4>"}
        assert lines[-1].startswith("<4>anybody who reaches this server")
        assert f"<6>serving {tmp_path / 'root'}" in lines

    def test_in_the_background_it_writes_to_the_file_and_begins_another_on_sigusr1(
        self, tmp_path: Path
    ) -> None:
        command = [program("twistd"), "--pidfile=pid", "--logfile=log", "filesrv", "--root=root"]
        command += ["--port=tcp:0:interface=127.0.0.1", "--log-format=json"]
        subprocess.run(command, check=True, cwd=tmp_path, env=environment(), timeout=PATIENCE)
        pid = int((tmp_path / "pid").read_text())
        ended = os.pidfd_open(pid)
        try:
            log = (tmp_path / "log").read_text().splitlines()
            assert any(json.loads(line)["message"].startswith("listening on") for line in log)
            os.kill(pid, signal.SIGUSR1)
        finally:
            os.kill(pid, signal.SIGTERM)
            assert select.select([ended], [], [], PATIENCE)[0]
            os.close(ended)
        assert (tmp_path / "log.1").read_text().splitlines()[0] == log[0]
        assert "Server Shut Down." in (tmp_path / "log").read_text()
