"""What is left of a daemon that was stopped, or killed, for the one after it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from tests.support.conversation import Conversation
from tests.support.daemon import Daemon

MIB = 1024 * 1024


def upload_half(client: Conversation, name: str, content: bytes) -> None:
    """Begin an upload and stop in its middle, with all that was sent being there."""
    assert client.ask(f"UPLOAD {name} {len(content)}").startswith("OK offset=0 ")
    client.send(content[: len(content) // 2])


def wait_for_half(daemon: Daemon, name: str, content: bytes) -> None:
    with Conversation(daemon.port) as other:
        other.wait_until_stored(name, len(content) // 2)


def upload_rest(daemon: Daemon, name: str, content: bytes) -> str:
    """Go on without naming an offset; what the first reply said."""
    with Conversation(daemon.port) as client:
        reply = client.ask(f"UPLOAD {name} {len(content)}")
        offset = int(reply.split()[1].removeprefix("offset="))
        client.send(content[offset:])
        assert client.line().startswith(f"OK stored={name} size={len(content)} ")
    assert (daemon.root / name).read_bytes() == content
    return reply


def test_what_arrived_before_the_daemon_was_killed_is_kept(daemon: Daemon) -> None:
    content = os.urandom(4 * MIB)
    with Conversation(daemon.port) as client:
        upload_half(client, "killed.bin", content)
        wait_for_half(daemon, "killed.bin", content)
        daemon.kill()
        assert client.read() == b""
    daemon.restart()
    assert not (daemon.root / "killed.bin").exists()
    reply = upload_rest(daemon, "killed.bin", content)
    assert reply.startswith(f"OK offset={2 * MIB} length={2 * MIB}")
    assert daemon.partials == []


def test_a_download_goes_on_after_the_daemon_was_killed(daemon: Daemon) -> None:
    content = os.urandom(4 * MIB)
    (daemon.root / "killed.bin").write_bytes(content)
    with Conversation(daemon.port) as client:
        reply = client.ask("DOWNLOAD killed.bin")
        version = reply.partition("version=")[2].split()[0]
        got = client.read(MIB)
        daemon.kill()
    daemon.restart()
    with Conversation(daemon.port) as client:
        reply = client.ask(f"DOWNLOAD killed.bin {MIB} if={version}")
        assert reply.startswith(f"OK offset={MIB} length={3 * MIB} ")
        assert got + client.read(3 * MIB) == content


def test_a_daemon_that_is_stopped_says_so_and_keeps_what_arrived(daemon: Daemon) -> None:
    content = os.urandom(4 * MIB)
    with Conversation(daemon.port) as busy, Conversation(daemon.port) as idle:
        upload_half(busy, "stopped.bin", content)
        wait_for_half(daemon, "stopped.bin", content)
        port = daemon.port
        daemon.stop()
        for client in (busy, idle):
            assert client.line().startswith("ERR SHUTTING_DOWN ")
            assert client.read() == b""
    daemon.wait_for_log("left: server-stopped", count=2)
    daemon.restart()
    assert daemon.port == port
    reply = upload_rest(daemon, "stopped.bin", content)
    assert reply.startswith(f"OK offset={2 * MIB} length={2 * MIB} last=server-stopped")


def test_a_port_with_connections_that_never_closed_is_listened_on_again_at_once(
    daemon: Daemon,
) -> None:
    with Conversation(daemon.port) as open_still:
        for _ in range(2):
            daemon.kill()
            daemon.restart()
            with Conversation(daemon.port) as client:
                assert client.ask("ECHO again") == "again"
        assert open_still.read() == b""


def test_a_file_without_its_row_and_a_row_without_its_file_are_cleaned_up(daemon: Daemon) -> None:
    content = os.urandom(2 * MIB)
    for name in ("kept.bin", "lost.bin"):
        with Conversation(daemon.port) as client:
            before = set(daemon.partials)
            upload_half(client, name, content)
            wait_for_half(daemon, name, content)
            (partial,) = set(daemon.partials) - before
    daemon.kill()
    partial.unlink()
    orphan = daemon.state / "partial" / "0123456789abcdef"
    orphan.write_bytes(b"nobody's")
    daemon.restart()
    assert not orphan.exists()
    assert len(daemon.partials) == 1
    with Conversation(daemon.port) as client:
        (row,) = client.ask_lines("PENDING")
        assert row.startswith(f"upload {MIB} {2 * MIB} ")
        assert "kept.bin" in row
        assert client.ask(f"UPLOAD lost.bin {2 * MIB}").startswith("OK offset=0 ")
    upload_rest(daemon, "kept.bin", content)


def test_published_files_and_rows_of_other_clients_survive_a_kill(daemon: Daemon) -> None:
    content = os.urandom(2 * MIB)
    with Conversation(daemon.port) as mine, Conversation(daemon.port) as others:
        others.ask("HELLO abcdefghijklmnopqrst")
        upload_half(mine, "same.bin", content)
        upload_half(others, "same.bin", content[::-1])
        wait_for_half(daemon, "same.bin", content)
        with Conversation(daemon.port) as look:
            look.ask("HELLO abcdefghijklmnopqrst")
            look.wait_until_stored("same.bin", MIB)
        (daemon.root / "published.txt").write_bytes(b"here")
        daemon.kill()
    daemon.restart()
    upload_rest(daemon, "same.bin", content)
    with Conversation(daemon.port) as others:
        others.ask("HELLO abcdefghijklmnopqrst")
        assert others.ask(f"UPLOAD same.bin {2 * MIB}").startswith(f"OK offset={MIB} ")
        others.send(content[::-1][MIB:])
        assert others.line().startswith("OK stored=same.bin ")
        assert others.ask("STAT published.txt").startswith("OK size=4 ")
    assert (daemon.root / "same.bin").read_bytes() == content[::-1]


def test_no_row_and_no_file_is_left_of_what_was_finished(daemon: Daemon, tmp_path: Path) -> None:
    content = os.urandom(2 * MIB)
    with Conversation(daemon.port) as client:
        upload_half(client, "done.bin", content)
        client.send(content[MIB:])
        assert client.line().startswith("OK stored=done.bin ")
        client.say("DOWNLOAD done.bin")
        client.line()
        assert client.read(2 * MIB) == content
        client.line()
        assert client.ask_lines("PENDING") == []
    daemon.stop()
    assert daemon.partials == []
    with sqlite3.connect(daemon.state / "registry.sqlite") as database:
        assert database.execute("SELECT count(*) FROM transfers").fetchone() == (0,)
