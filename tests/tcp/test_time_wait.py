"""TIME_WAIT stays with whoever closes first, and keeps no daemon from starting again."""

from __future__ import annotations

import errno
import re
import socket
import subprocess
from threading import Thread

import pytest

from tests.support.daemon import Daemon
from tests.tcp.conftest import connect, read_all, read_line


def waiting(port: int) -> list[tuple[int, int]]:
    """The local and the other port of each end of this port's connections in TIME_WAIT."""
    said = subprocess.run(
        ["ss", "-tanH", "state", "time-wait", f"( sport = :{port} or dport = :{port} )"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = re.findall(r":(\d+)\s+\S+?:(\d+)\s*$", said, re.MULTILINE)
    return sorted((int(local), int(other)) for local, other in found)


def local_port(connection: socket.socket) -> int:
    return int(connection.getsockname()[1])


def test_it_stays_with_a_client_that_closes_first(daemon: Daemon) -> None:
    with connect(daemon) as client:
        read_line(client)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b""
        port = local_port(client)
    assert waiting(daemon.port) == [(port, daemon.port)]


def test_it_stays_with_the_server_if_that_closes_first(daemon: Daemon) -> None:
    with connect(daemon) as client:
        read_line(client)
        client.sendall(b"QUIT\n")
        assert read_all(client) == b"OK bye\n"
        port = local_port(client)
    daemon.wait_for_log("left: closed")
    assert waiting(daemon.port) == [(daemon.port, port)]


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_a_daemon_that_ended_with_connections_open_starts_again_on_its_port_at_once(
    daemon: Daemon, content: bytes, kill: bool
) -> None:
    port = daemon.port
    idle, busy, uploading = (connect(daemon) for _ in range(3))
    for client in (idle, busy, uploading):
        read_line(client)
    busy.sendall(b"DOWNLOAD big.bin\n")
    read_line(busy)
    uploading.sendall(b"UPLOAD a.bin 1000 0\n" + bytes(100))
    assert read_line(uploading).startswith("OK offset=0")
    end = (daemon.port, local_port(idle))
    said: list[bytes] = []
    reader = Thread(target=read_and_close, args=(idle, said))
    reader.start()
    (daemon.kill if kill else daemon.stop)()
    reader.join()
    assert said[0].startswith(b"" if kill else b"ERR SHUTTING_DOWN ")
    # The server's end was closed first, and there it waits.
    assert end in waiting(port)
    with socket.socket(socket.AF_INET6) as plain:  # as one would without SO_REUSEADDR
        with pytest.raises(OSError, match="in use") as refused:
            plain.bind(("::", port))
        assert refused.value.errno == errno.EADDRINUSE
    daemon.ports = [str(port)]
    daemon.start()
    assert daemon.port == port
    with connect(daemon) as client:
        assert read_line(client).startswith("OK filesrv ")
    for client in (busy, uploading):
        client.close()


def read_and_close(connection: socket.socket, said: list[bytes]) -> None:
    """What a client does whom the server closes upon."""
    said.append(read_all(connection))
    connection.close()


def test_a_daemon_can_be_restarted_again_and_again_while_old_ends_wait(daemon: Daemon) -> None:
    for _ in range(3):
        with connect(daemon) as client:
            read_line(client)
            client.sendall(b"QUIT\n")
            read_all(client)
        daemon.restart()
    assert daemon.log.count("Server Shut Down.") == 3
