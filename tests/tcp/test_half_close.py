"""A FIN ends one direction: the server still sends all that it owes."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.support.daemon import Daemon
from tests.support.packets import Capture
from tests.support.shell import shell
from tests.tcp.conftest import SIZE, connect, read_all, read_line


def test_a_download_goes_on_to_its_last_byte_behind_the_clients_fin(
    daemon: Daemon, content: bytes
) -> None:
    with Capture(daemon.port) as capture, connect(daemon) as client:
        read_line(client)
        client.sendall(b"DOWNLOAD big.bin\nECHO and then this\n")
        client.shutdown(socket.SHUT_WR)
        # The server's kernel has acknowledged the FIN before any payload was read here.
        capture.wait_for(
            lambda seen: any(
                later.ack > packet.end
                for packet in seen
                if packet.up and "F" in packet.flags
                for later in seen
                if not later.up
            )
        )
        head = read_line(client)
        rest = read_all(client)
    assert head.startswith(f"OK offset=0 length={SIZE} ")
    payload, replies = rest[:SIZE], rest[SIZE:].decode().splitlines()
    assert payload == content
    assert replies[0].startswith(f"OK sent={SIZE} ")
    assert replies[1:] == ["and then this"]
    daemon.wait_for_log("left: closed")


def test_netcat_gets_a_whole_file_although_its_input_has_ended(
    daemon: Daemon, content: bytes, tmp_path: Path
) -> None:
    line = (
        f"printf 'DOWNLOAD big.bin\\n' | nc -N localhost {daemon.port}"
        f" | (read -r greeting; read -r reply; head -c {SIZE} > back.bin; cat)"
    )
    (last,) = shell(line, tmp_path)
    assert last.startswith(f"OK sent={SIZE} ")
    assert (tmp_path / "back.bin").read_bytes() == content


@pytest.mark.parametrize("count", [1, 2, 500])
def test_every_command_is_answered_although_no_more_will_come(
    daemon: Daemon, tmp_path: Path, count: int
) -> None:
    line = f"seq -f 'ECHO %g' {count} | nc -N localhost {daemon.port} | tail -n +2"
    assert shell(line, tmp_path) == [str(number) for number in range(1, count + 1)]


def test_an_upload_whose_client_closes_its_half_is_published_and_answered(
    daemon: Daemon, tmp_path: Path
) -> None:
    line = f"printf 'UPLOAD a.txt 5 0\\nhello' | nc -N localhost {daemon.port} | tail -n 1"
    (last,) = shell(line, tmp_path)
    assert last.startswith("OK stored=a.txt size=5 ")
    assert (daemon.root / "a.txt").read_bytes() == b"hello"


def test_an_upload_that_ends_early_by_a_fin_is_kept_and_not_published(daemon: Daemon) -> None:
    with connect(daemon) as client:
        read_line(client)
        client.sendall(b"UPLOAD a.txt 10 0\nhello")
        client.shutdown(socket.SHUT_WR)
        rest = read_all(client).decode().splitlines()
    assert rest[0] == "OK offset=0 length=10"
    assert rest[1].startswith("ERR BAD_OFFSET stored=5 ")
    assert not (daemon.root / "a.txt").exists()
    with connect(daemon) as client:
        read_line(client)
        client.sendall(b"UPLOAD a.txt 10\n")
        assert read_line(client).startswith("OK offset=5 length=5")
        client.sendall(b"again")
        assert read_line(client).startswith("OK stored=a.txt size=10 received=5")


def test_the_server_too_closes_one_direction_first_and_reads_what_still_comes(
    daemon: Daemon,
) -> None:
    with connect(daemon) as client:
        read_line(client)
        client.sendall(b"QUIT\n")
        assert read_all(client) == b"OK bye\n"  # and its FIN
        client.sendall(b"ECHO to nobody\n" * 100)  # is taken without a reset
        client.shutdown(socket.SHUT_WR)
        assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    daemon.wait_for_log("left: closed")
