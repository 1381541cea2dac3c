"""Where the daemon listens: each kind of C{--port}."""

from __future__ import annotations

import os
import socket
import struct
import sys
from pathlib import Path

import pytest

from tests.support.conversation import Conversation
from tests.support.daemon import LOOPBACK, Daemon, program
from tests.support.shell import shell

#: Stands for systemd: opens a socket and hands it on, as sd_listen_fds(3) says.
LIKE_SYSTEMD = """
import os, socket, sys
listening = socket.create_server(("127.0.0.1", 0))
os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "filesrv", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[1], sys.argv[1:])
"""

PROXIED = "haproxy:" + LOOPBACK
HEADER_1 = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 9000\r\n"
HEADER_2 = (
    b"\r\n\r\n\x00\r\nQUIT\n\x21\x11"
    + struct.pack("!H", 12)
    + socket.inet_aton("192.0.2.7")
    + socket.inet_aton("192.0.2.1")
    + struct.pack("!HH", 4711, 9000)
)


def test_a_number_is_a_port_of_both_families(tmp_path: Path) -> None:
    with Daemon(tmp_path / "root", ports=["0"]) as daemon:
        assert daemon.addresses == [f"[::]:{daemon.port}"]
        daemon.wait_for_log("(IPv4 and IPv6)")
        for host in ("127.0.0.1", "::1"):
            with Conversation(daemon.port, host) as client:
                assert client.ask("ECHO hello") == "hello"
            daemon.wait_for_log(f"client {host}(")


def test_an_interface_is_listened_on_alone(tmp_path: Path) -> None:
    with Daemon(tmp_path / "root", ports=["tcp:0:interface=127.0.0.1"]) as daemon:
        assert daemon.addresses == [f"127.0.0.1:{daemon.port}"]
        for elsewhere in ("::1", "127.0.0.2"):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((elsewhere, daemon.port))


def test_each_of_several_ports_serves_the_same_files(tmp_path: Path) -> None:
    ports = [LOOPBACK, f"unix:{tmp_path}/socket", "tcp6:0:interface=\\:\\:1"]
    with Daemon(tmp_path / "root", ports=ports) as daemon:
        first, second, third = daemon.addresses
        assert second == f"unix:{tmp_path}/socket"
        (daemon.root / "here.txt").write_bytes(b"!")
        for host, address in (("127.0.0.1", first), ("::1", third)):
            with Conversation(int(address.rpartition(":")[2]), host) as client:
                assert client.ask("STAT here.txt").startswith("OK size=1 ")
        line = f"printf 'STAT here.txt\\n' | nc -N -U {tmp_path}/socket"
        assert shell(line, tmp_path)[1].startswith("OK size=1 ")


def test_files_go_both_ways_over_a_unix_socket(tmp_path: Path) -> None:
    (tmp_path / "photo.bin").write_bytes(os.urandom(1_000_000))
    with Daemon(tmp_path / "root", ports=[f"unix:{tmp_path}/socket"]) as daemon:
        line = """
            (printf 'UPLOAD photo.bin 1000000 0\\nPENDING\\n' | head -n 1
             cat photo.bin) | nc -N -U socket | tail -n 1
            printf 'DOWNLOAD photo.bin\\n' | nc -N -U socket | {
                read -r greeting; read -r reply; head -c 1000000 > fetched.bin; cat; }
            cmp photo.bin fetched.bin
        """
        done, sent = shell(line, tmp_path)
        assert done.startswith("OK stored=photo.bin size=1000000 received=1000000 ")
        assert sent.startswith("OK sent=1000000 ")
        daemon.wait_for_log(f"client uid:{os.getuid()} connected")
    assert not (tmp_path / "socket").exists()


def test_a_socket_of_systemd_is_taken_over(tmp_path: Path) -> None:
    twistd = [sys.executable, "-c", LIKE_SYSTEMD, program("twistd"), "-n", "--pidfile="]
    ports = ["systemd:domain=INET:name=filesrv"]
    with Daemon(tmp_path / "root", ports=ports, twistd=twistd) as daemon:
        with Conversation(daemon.port) as client:
            assert client.ask("ECHO activated") == "activated"
        daemon.wait_for_log("left: ")


@pytest.mark.parametrize("header", [HEADER_1, HEADER_2], ids=["version 1", "version 2"])
def test_behind_a_proxy_the_client_is_who_the_proxy_says(tmp_path: Path, header: bytes) -> None:
    with Daemon(tmp_path / "root", ports=[PROXIED]) as daemon:
        with Conversation(daemon.port, greeted=False) as client:
            client.send(header)
            assert client.line().startswith("OK filesrv ")
            assert client.ask("UPLOAD half.bin 10") == "OK offset=0 length=10"
            client.send(b"12345")
            client.socket.shutdown(socket.SHUT_WR)
            assert client.line().startswith("ERR BAD_OFFSET stored=5 ")
            assert client.read() == b""
        daemon.wait_for_log("client 192.0.2.7(4711) connected")
        daemon.wait_for_log("client 192.0.2.7(4711) left: closed")
        with Conversation(daemon.port, greeted=False) as same:
            same.send(header.replace(b"4711", b"4712"))
            assert same.line().startswith("OK filesrv ")
            assert len(same.ask_lines("PENDING")) == 1
        with Conversation(daemon.port, greeted=False) as other:
            other.send(HEADER_1.replace(b"192.0.2.7", b"192.0.2.8"))
            assert other.line().startswith("OK filesrv ")
            assert other.ask_lines("PENDING") == []


def test_netcat_downloads_through_a_proxy_with_its_sending_half_closed(tmp_path: Path) -> None:
    (tmp_path / "header").write_bytes(HEADER_2)
    with Daemon(tmp_path / "root", ports=[PROXIED]) as daemon:
        (daemon.root / "large.bin").write_bytes(os.urandom(20_000_000))
        line = """
            (cat header; printf 'DOWNLOAD large.bin\\n') | nc -N localhost "$PORT" | {
                read -r greeting; read -r reply; head -c 20000000 > fetched.bin; cat; }
            cmp root/large.bin fetched.bin
        """
        (done,) = shell(line, tmp_path, PORT=daemon.port)
        assert done.startswith("OK sent=20000000 ")
        daemon.wait_for_log("client 192.0.2.7(4711) left: closed")


def test_a_proxy_whose_header_comes_byte_by_byte_is_understood(tmp_path: Path) -> None:
    with (
        Daemon(tmp_path / "root", ports=[PROXIED]) as daemon,
        Conversation(daemon.port, greeted=False) as client,
    ):
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place in range(len(HEADER_1)):
            client.send(HEADER_1[place : place + 1])
        assert client.line().startswith("OK filesrv ")
        daemon.wait_for_log("client 192.0.2.7(4711) connected")


def test_who_comes_without_the_header_of_the_proxy_gets_nothing(tmp_path: Path) -> None:
    with (
        Daemon(tmp_path / "root", ports=[PROXIED]) as daemon,
        Conversation(daemon.port, greeted=False) as client,
    ):
        client.say("ECHO who am I?")
        with pytest.raises(ConnectionResetError):
            client.read()
        daemon.wait_for_log("is no proxy: not a PROXY header")
