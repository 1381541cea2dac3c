"""A real daemon that is told to stop, or to read again."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.conversation import Conversation
from tests.support.daemon import Daemon

MIB = 1024 * 1024
BYE = "ERR SHUTTING_DOWN the server is stopping; what arrived is kept"

#: Transfers of each sort.
MANY = 5


def send(daemon: Daemon, number: int) -> None:
    os.kill(daemon.pid, number)


def test_who_is_idle_does_not_keep_it(tmp_path: Path) -> None:
    with Daemon(tmp_path / "root", "--drain=300") as daemon:
        with Conversation(daemon.port) as idle:
            send(daemon, signal.SIGTERM)
            assert idle.line() == BYE
            assert idle.read() == b""
        assert daemon.ended() == 0
        assert "SIGTERM: stopping" in daemon.log


class TestDrainUnderLoad:
    """Transfers that run when SIGTERM comes: some end in time, some do not, none is lost."""

    @pytest.fixture
    def content(self) -> bytes:
        return os.urandom(4 * MIB)

    def test_none_is_lost(self, tmp_path: Path, content: bytes) -> None:
        daemon = Daemon(tmp_path / "root", "--drain=300")
        daemon.start()
        (daemon.root / "served").write_bytes(content)
        with ExitStack() as stack:

            def connect(index: int) -> Conversation:
                client = stack.enter_context(Conversation(daemon.port, buffer=64 * 1024))
                client.ask(f"HELLO {index:0>16}")
                return client

            connected = [connect(index) for index in range(3 * MANY)]
            ups, stuck, downs = (connected[at * MANY : (at + 1) * MANY] for at in range(3))
            for index, client in enumerate(ups + stuck):
                assert client.ask(f"UPLOAD f{index} {len(content)}").startswith("OK offset=0")
                client.send(content[: MIB + index])
            for client in downs:
                assert client.ask("DOWNLOAD served").startswith("OK offset=0")
            for index in range(2 * MANY):
                with Conversation(daemon.port) as watch:
                    watch.ask(f"HELLO {index:0>16}")
                    watch.wait_until_stored(f"f{index}", MIB + index)
            send(daemon, signal.SIGTERM)
            daemon.wait_for_log("connections that end within 300 s")
            for index, client in enumerate(ups):
                client.send(content[MIB + index :])
                assert client.line().startswith(f"OK stored=f{index} ")
                assert client.line() == BYE
            for client in downs:
                assert client.read(len(content)) == content
                assert client.line().startswith("OK sent=")
                assert client.line() == BYE
            send(daemon, signal.SIGTERM)
            assert [client.line() for client in stuck] == [BYE] * MANY
        assert daemon.ended() == 0
        told = f"{2 * MANY} transfers were finished and {MANY} interrupted, which can be gone on"
        assert told in daemon.log
        self._go_on(daemon, content)

    def _go_on(self, daemon: Daemon, content: bytes) -> None:
        with daemon:
            for index in range(MANY, 2 * MANY):
                with Conversation(daemon.port) as client:
                    client.ask(f"HELLO {index:0>16}")
                    name, offset = f"f{index}", MIB + index
                    reply = client.ask(f"UPLOAD {name} {len(content)}")
                    assert reply.startswith(f"OK offset={offset} ")
                    assert reply.endswith("last=server-stopped")
                    client.send(content[offset:])
                    assert client.line().startswith(f"OK stored={name} ")
            for index in range(2 * MANY):
                assert (daemon.root / f"f{index}").read_bytes() == content


def test_seconds_that_pass_end_what_still_runs(tmp_path: Path) -> None:
    with Daemon(tmp_path / "root", "--drain=0.2") as daemon:
        with Conversation(daemon.port) as client:
            client.ask("UPLOAD f 9")
            send(daemon, signal.SIGTERM)
            assert client.line() == BYE
        assert daemon.ended() == 0


def test_what_comes_to_its_port_meanwhile_is_refused(tmp_path: Path) -> None:
    with Daemon(tmp_path / "root", "--drain=300") as daemon:
        with Conversation(daemon.port) as client:
            client.ask("UPLOAD f 3")
            send(daemon, signal.SIGTERM)
            daemon.wait_for_log("connections that end within")
            with pytest.raises(ConnectionRefusedError):
                Conversation(daemon.port)
            client.send(b"abc")
            assert client.line().startswith("OK stored=f ")
        assert daemon.ended() == 0


def test_ctrl_c_stops_it_as_a_shell_expects_and_a_second_one_at_once(tmp_path: Path) -> None:
    with Daemon(tmp_path / "root", "--drain=300") as daemon:
        with Conversation(daemon.port) as client:
            client.ask("UPLOAD f 9")
            send(daemon, signal.SIGINT)
            daemon.wait_for_log("connections that end within")
            send(daemon, signal.SIGINT)
            assert client.line() == BYE
        assert daemon.ended() == -signal.SIGINT


def test_sighup_reads_again_and_disturbs_nobody(tmp_path: Path) -> None:
    with Daemon(tmp_path / "root") as daemon, Conversation(daemon.port) as client:
        client.ask("UPLOAD f 3")
        send(daemon, signal.SIGHUP)
        daemon.wait_for_log("there is nothing to read again")
        client.send(b"abc")
        assert client.line().startswith("OK stored=f ")
