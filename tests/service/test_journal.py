"""What the journal has of a daemon that does not start."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.daemon import PATIENCE, environment, program


@pytest.mark.parametrize("port", ["nonsense:1", "tcp:0:interface=192.0.2.1"])
def test_why_it_does_not_start_is_an_error_in_the_journal(tmp_path: Path, port: str) -> None:
    """A fault of the options, and one that shows only when the daemon starts."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(PATIENCE)
        status = os.fstat(theirs.fileno())
        done = subprocess.run(
            [program("twistd"), "-n", "--pidfile=", "filesrv", f"--port={port}", "--root=root"],
            stdout=subprocess.DEVNULL,
            stderr=theirs.fileno(),
            env=environment(JOURNAL_STREAM=f"{status.st_dev}:{status.st_ino}"),
            cwd=tmp_path,
            timeout=PATIENCE,
            check=False,
        )
        theirs.close()
        with ours.makefile(encoding="utf-8") as journal:
            lines = journal.read().splitlines()
    assert done.returncode == 1
    assert lines
    assert all(line.startswith("<3>filesrv: ") for line in lines), lines
