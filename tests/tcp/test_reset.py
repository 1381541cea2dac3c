"""A reset is noticed and logged, and what had arrived is kept."""

from __future__ import annotations

import re
import socket
import struct
from pathlib import Path

import pytest

from tests.support.daemon import Daemon
from tests.support.shell import shell
from tests.tcp.conftest import connect, read_all, read_line


def reset(connection: socket.socket) -> None:
    """Close with SO_LINGER set to 0: the kernel sends RST in the place of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def name_of(connection: socket.socket) -> str:
    """The connection as the log names it."""
    host, port = connection.getsockname()
    return f"client {host}({port})"


def test_a_reset_of_an_idle_connection_is_noticed(daemon: Daemon) -> None:
    with connect(daemon) as client:
        read_line(client)
        name = name_of(client)
        reset(client)
    daemon.wait_for_log(f"{name} left: reset")


def test_a_reset_in_an_upload_keeps_what_had_arrived(daemon: Daemon) -> None:
    with connect(daemon) as client:
        read_line(client)
        name = name_of(client)
        client.sendall(b"UPLOAD a.bin 1000 0\n")
        read_line(client)
        client.sendall(bytes(400))
        reset(client)
    line = daemon.wait_for_log(f"{name}: upload of a.bin")
    assert re.search(r"400 bytes in [\d.]+ s, \S+, reset$", line)
    daemon.wait_for_log(f"{name} left: reset")
    (partial,) = daemon.partials
    assert partial.stat().st_size == 400
    with connect(daemon) as client:
        read_line(client)
        client.sendall(b"UPLOAD a.bin 1000\n")
        assert read_line(client) == "OK offset=400 length=600 last=reset"


@pytest.mark.parametrize("half_closed", [False, True])
def test_a_reset_in_a_download_is_noticed_while_nothing_can_be_written(
    daemon: Daemon, content: bytes, half_closed: bool
) -> None:
    with connect(daemon) as client:
        read_line(client)
        name = name_of(client)
        client.sendall(b"DOWNLOAD big.bin\n")
        if half_closed:
            client.shutdown(socket.SHUT_WR)
        read_line(client)  # and nothing of the payload, so that it piles up
        reset(client)
    line = daemon.wait_for_log(f"{name}: download of big.bin")
    assert line.endswith(", reset")
    daemon.wait_for_log(f"{name} left: reset")


def test_readers_that_die_after_their_fin_leave_nothing_behind(
    daemon: Daemon, content: bytes, tmp_path: Path
) -> None:
    download = f"printf 'DOWNLOAD big.bin\\n' | nc localhost {daemon.port} | head -c 100 | wc -c"
    assert shell("\n".join([download] * 20), tmp_path) == ["100"] * 20
    daemon.wait_for_log("left: ", count=20)


def test_other_connections_do_not_notice(daemon: Daemon) -> None:
    with connect(daemon) as other:
        read_line(other)
        for _ in range(20):
            client = connect(daemon)
            client.sendall(b"ECHO hello\nUPLOAD a.bin 1000 0\nhello")
            reset(client)
        daemon.wait_for_log("left: reset", count=20)
        other.sendall(b"ECHO still here\nQUIT\n")
        assert read_all(other) == b"still here\nOK bye\n"
