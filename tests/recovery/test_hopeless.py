"""What cannot get better is not tried again, however patient the user is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, environment, program
from tests.support.network import SERVER, Network

PATIENT = ("--on-trouble=retry", "--patience=300")


@pytest.mark.parametrize(
    ("command", "words", "status"),
    [
        (("download", "gone"), "there is no file gone", 1),
        (("download", "here", "-o", "/dev/full"), "No space left on device", 75),
        (("download", "here", "-o", "/proc/here"), "No such file or directory", 2),
        (("upload", "/etc/passwd", "--as", "../passwd"), "BAD_NAME", 1),
    ],
)
def test_it_ends_at_once_with_one_line(
    daemon: Daemon, tmp_path: Path, command: tuple[str, ...], words: str, status: int
) -> None:
    (daemon.root / "here").write_bytes(bytes(1000))
    server = f"--server=127.0.0.1:{daemon.port}"
    done = subprocess.run(
        [program("filesrv"), server, *PATIENT, *command],
        env=environment(HOME=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    (line,) = done.stderr.splitlines()
    assert words in line
    assert done.returncode == status
    daemon.stop()
    assert daemon.log.count(") connected") == 1
    daemon.start()


def test_a_firewall_that_rejects_is_told_in_plain_words(tmp_path: Path) -> None:
    with Network() as network:
        network.run(network.router, *f"ip route add prohibit {SERVER}/32".split())
        done = subprocess.run(
            network.command(network.client, program("filesrv"), f"--server={SERVER}:9000", "list"),
            env=environment(HOME=str(tmp_path)),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    words = f"cannot connect to {SERVER}:9000: the connection was refused on the way"
    assert (done.stderr, done.returncode) == (f"filesrv: {words}\n", 75)
