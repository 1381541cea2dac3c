"""What the README shows of accounts is played again."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.support.daemon import Daemon
from tests.support.transcripts import Session, blocks

README = Path(__file__).parents[2] / "README.rst"
(BLOCK,) = (
    block for block in blocks(README.read_text(encoding="utf-8")) if block.section == "Accounts"
)

START = "twistd -n filesrv "


def test_what_is_shown_is_what_happens(tmp_path: Path) -> None:
    variables = {
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TZ": "UTC",
    }
    session = Session(tmp_path, 9000, variables)
    (command,) = (line for _, _, line in (line.partition(START) for line in BLOCK.lines) if line)

    with ExitStack() as stack:

        def start() -> list[str]:
            root = tmp_path / "filesrv-files"
            daemon = Daemon(root, *shlex.split(command), cwd=tmp_path, name_root=False)
            session.port = stack.enter_context(daemon).port
            variables["FILESRV_SERVER"] = f"127.0.0.1:{daemon.port}"
            return []

        session.special[START] = start
        for typed, expected, got in session.play(BLOCK):
            assert (typed, got) == (typed, expected)
