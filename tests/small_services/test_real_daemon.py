"""The small services of a real daemon, with sockets and the system's own tools."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from filesrv.wire.daytime import parse_daytime
from tests.support.daemon import LOOPBACK, PATIENCE, Daemon, environment, program
from tests.support.shell import shell

#: A line of RFC 867 as this server writes it, for grep -E.
LINE = "^[A-Z][a-z]+day, [A-Z][a-z]+ [0-9]+, [0-9]{4} [0-9:]{8}[+-][0-9]{2}:[0-9]{2}.?$"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """With all of the small services, on IPv4 and IPv6."""
    options = ("--daytime", "0", "--daytime-udp", "--udp-echo", "0")
    with Daemon(tmp_path / "root", *options) as running:
        yield running


def port_of(daemon: Daemon, place: int) -> int:
    return int(daemon.addresses[place].rpartition(":")[2])


def daytime_port(daemon: Daemon) -> int:
    return port_of(daemon, 1)


def echo_port(daemon: Daemon) -> int:
    return port_of(daemon, 3)


def udp(host: str, port: int) -> socket.socket:
    """A socket that hears only who it asks, and waits for it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    client = socket.socket(family, socket.SOCK_DGRAM)
    client.settimeout(PATIENCE)
    client.connect((host, port))
    return client


def read_all(host: str, port: int) -> bytes:
    with socket.create_connection((host, port), PATIENCE) as client:
        return client.makefile("rb").read()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_who_connects_reads_the_time_and_the_end(daemon: Daemon, host: str) -> None:
    before = int(time.time())
    line = read_all(host, daytime_port(daemon))
    assert before <= parse_daytime(line.decode("ascii")) <= time.time()
    assert line.endswith(b"\r\n")
    daemon.wait_for_log(f"client {host}(")
    assert f"client {host}(" in daemon.log


def test_the_time_is_in_the_servers_zone(tmp_path: Path) -> None:
    options = ("--daytime", LOOPBACK)
    with Daemon(tmp_path / "root", *options, env={"TZ": "<+0545>-5:45"}) as daemon:
        line = read_all("127.0.0.1", daytime_port(daemon)).decode()
        assert line.endswith("+05:45\r\n")
        assert abs(parse_daytime(line) - time.time()) < PATIENCE


def test_it_closes_by_itself_although_the_client_does_not(daemon: Daemon) -> None:
    with socket.create_connection(("127.0.0.1", daytime_port(daemon)), PATIENCE) as client:
        client.sendall(b"what the server has no use for" * 1000)
        answer = client.makefile("rb").read()
    parse_daytime(answer.decode())


def test_the_same_number_tells_the_time_over_udp(daemon: Daemon) -> None:
    assert port_of(daemon, 2) == daytime_port(daemon)
    for host in ("127.0.0.1", "::1"):
        with udp(host, daytime_port(daemon)) as client:
            client.send(b"")
            parse_daytime(client.recv(1000).decode())


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.3", "::1"])
def test_a_datagram_comes_back_as_it_was(daemon: Daemon, host: str) -> None:
    with udp(host, echo_port(daemon)) as client:
        for size in (0, 1, 1473, 65507):
            data = (bytes(range(256)) * 256)[:size]
            client.send(data)
            assert client.recv(65536) == data


def test_its_own_port_is_not_answered_on_another_address(tmp_path: Path) -> None:
    description = "udp:0:interface=127.0.0.1"
    with Daemon(tmp_path / "root", "--udp-echo", description) as daemon:
        number = port_of(daemon, 1)
        with udp("127.0.0.1", number) as other, socket.socket(type=socket.SOCK_DGRAM) as same:
            same.bind(("127.0.0.2", number))
            same.setblocking(False)
            same.sendto(b"to and fro", ("127.0.0.1", number))
            other.send(b"and I")  # arrives later, so that the first was dealt with
            assert other.recv(100) == b"and I"
            with pytest.raises(BlockingIOError):
                same.recv(100)
        daemon.stop()
        assert "1 not, from a port of ours" in daemon.log


def test_netcat_telnet_and_socat_reach_all_of_them(daemon: Daemon, tmp_path: Path) -> None:
    ports = {"TIME": daytime_port(daemon), "ECHO": echo_port(daemon), "CHECK": LINE}
    for line in (
        'nc localhost "$TIME" < /dev/null | grep -E "$CHECK"',
        'telnet ::1 "$TIME" < /dev/null 2>&1 | grep -E "^Trying|$CHECK"',
        'socat -u "TCP6:[::1]:$TIME" - | grep -E "$CHECK"',
        'echo | nc -u -W 1 127.0.0.1 "$TIME" | grep -E "$CHECK"',
        'echo | socat -T 5 - "UDP6:[::1]:$TIME,readbytes=20" | grep -E "^[A-Z][a-z]+day, "',
    ):
        assert shell(line, tmp_path, **ports)
    for line in (
        'echo "hello, echo" | nc -u -W 1 127.0.0.1 "$ECHO"',
        'echo "hello, echo" | nc -u -W 1 ::1 "$ECHO"',
        'echo "hello, echo" | socat -T 5 - "UDP:localhost:$ECHO,readbytes=12"',
    ):
        assert shell(line, tmp_path, **ports) == ["hello, echo"]


def test_all_of_it_runs_in_one_thread_and_ends_with_the_daemon(daemon: Daemon) -> None:
    with udp("127.0.0.1", echo_port(daemon)) as client:
        client.send(b"hello")
        client.recv(100)
    lingering = socket.create_connection(("127.0.0.1", daytime_port(daemon)), PATIENCE)
    assert lingering.recv(100)
    assert daemon.status("Threads") == "1"
    daemon.stop()
    lingering.close()
    daemon.options = (
        f"--daytime={daytime_port(daemon)}",
        "--daytime-udp",
        f"--udp-echo={echo_port(daemon)}",
    )
    daemon.start()  # at once, on the very same numbers
    read_all("127.0.0.1", daytime_port(daemon))


def test_a_number_that_is_taken_is_one_line_and_status_1(daemon: Daemon, tmp_path: Path) -> None:
    for option, port in (("daytime", daytime_port(daemon)), ("udp-echo", echo_port(daemon))):
        ended = subprocess.run(
            [
                program("twistd"),
                *("-n", "--pidfile=", "--logfile=other.log", "filesrv", "--root=other"),
                *(f"--port={LOOPBACK}", f"--{option}={port}"),
            ],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (
            1,
            "",
            f"filesrv: cannot listen on {port}: Address already in use\n",
        )


def test_off_means_that_nothing_listens(tmp_path: Path) -> None:
    with Daemon(tmp_path / "root") as daemon:
        assert len(daemon.addresses) == 1
        assert "UDP" not in daemon.log
