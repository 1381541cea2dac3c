"""nmap, netstat and ss: what they see of the daemon, and what the daemon sees of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.programs.conftest import ServiceScan
from tests.support.conversation import Conversation
from tests.support.daemon import Daemon
from tests.support.shell import shell


def nothing_is_left(daemon: Daemon, path: Path) -> None:
    """Every connection that was logged has left, and the kernel knows of none."""
    with Conversation(daemon.port) as last:
        assert last.ask("ECHO well") == "well"
        port = last.socket.getsockname()[1]
    daemon.wait_for_log(f"({port}) left: closed")
    came = daemon.log.count(" connected")
    daemon.wait_for_log(" left: ", count=came)
    assert daemon.log.count(" connected") == came
    assert shell('ss -Htn state established "sport = :$PORT"', path, PORT=daemon.port) == []
    assert "Traceback" not in daemon.log
    assert "error" not in daemon.log.lower()


@pytest.mark.parametrize("how", ["-p", "-sT -p", "-Pn -p"])
def test_a_port_scan_finds_the_port_open_and_leaves_nothing(
    daemon: Daemon, tmp_path: Path, how: str
) -> None:
    lines = shell(f'nmap {how} "$PORT" 127.0.0.1', tmp_path, PORT=daemon.port)
    assert [line.split()[:2] for line in lines if line.startswith(f"{daemon.port}/")] == [
        [f"{daemon.port}/tcp", "open"]
    ]
    nothing_is_left(daemon, tmp_path)


def test_both_families_are_seen_by_a_port_scan(tmp_path: Path) -> None:
    with Daemon(tmp_path / "root", ports=["0"]) as daemon:
        for how in ("127.0.0.1", "-6 ::1"):
            lines = shell(f'nmap -p "$PORT" {how}', tmp_path, PORT=daemon.port)
            assert any(re.match(rf"{daemon.port}/tcp +open", line) for line in lines)
        nothing_is_left(daemon, tmp_path)


def test_netstat_and_ss_show_the_sockets_of_both_families(tmp_path: Path) -> None:
    with Daemon(tmp_path / "root", ports=["0", "tcp:0:interface=127.0.0.1"]) as daemon:
        both, four = (address.rpartition(":")[2] for address in daemon.addresses)
        listed = [line.split() for line in shell("netstat -tlnp 2>/dev/null", tmp_path)]
        sockets = {line[3]: (line[0], line[5], line[6]) for line in listed if len(line) > 6}
        for address, family in ((f":::{both}", "tcp6"), (f"127.0.0.1:{four}", "tcp")):
            found, state, program = sockets[address]
            assert (found, state, program.split("/")[0]) == (family, "LISTEN", str(daemon.pid))
        for port, address in ((both, f"*:{both}"), (four, f"127.0.0.1:{four}")):
            (line,) = shell(f"ss -Htlnp 'sport = :{port}'", tmp_path)
            assert line.split()[3] == address
            assert f"pid={daemon.pid}," in line


def test_a_connection_is_seen_while_it_is_there_and_not_after(
    daemon: Daemon, tmp_path: Path
) -> None:
    seen = 'ss -Htn state established "sport = :$PORT"'
    with Conversation(daemon.port) as client:
        (line,) = shell(seen, tmp_path, PORT=daemon.port)
        mine = f"127.0.0.1:{client.socket.getsockname()[1]}"
        assert line.split()[-1] == mine
        daemon.wait_for_log(f"client {mine.replace(':', '(')}) connected")
    daemon.wait_for_log("left: closed")
    assert shell(seen, tmp_path, PORT=daemon.port) == []


def test_the_daemon_is_not_harmed_by_a_scan_of_its_service(
    service_scan: ServiceScan, tmp_path: Path
) -> None:
    output = service_scan.output()
    assert re.search(rf"^{service_scan.daemon.port}/tcp +open ", output, re.MULTILINE)
    assert r"OK\x20filesrv\x20" in output
    assert service_scan.process.returncode == 0
    assert service_scan.daemon.log.count(" connected") > 2
    nothing_is_left(service_scan.daemon, tmp_path)
