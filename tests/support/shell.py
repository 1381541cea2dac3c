"""
Shell lines as a person types them, run by bash.
"""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from tests.support.daemon import PATIENCE, environment

__all__ = ["run", "shell"]


def run(line: str, cwd: Path, **variables: object) -> subprocess.CompletedProcess[str]:
    """Run a line and see what becomes of it; what it says on stderr is in its output."""
    return subprocess.run(
        ["bash", "-c", line],
        cwd=cwd,
        env=environment(LC_ALL="C.UTF-8", **{key: str(value) for key, value in variables.items()}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE,
        text=True,
        errors="replace",
        # Python ignores it, and a pipeline that is cut short would complain.
        preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL),
        check=False,
    )


def shell(line: str, cwd: Path, **variables: object) -> list[str]:
    """The lines that a shell line prints; it succeeds."""
    ended = run(line, cwd, **variables)
    assert ended.returncode == 0, f"{line}\nstatus {ended.returncode}\n{ended.stdout}"
    return ended.stdout.replace("\r\n", "\n").splitlines()
