"""
The real client before a server that wants to harm it: to write outside the directory that
the user named, to follow links there, to fill the disk or to get its hands on the terminal.

The first byte chooses the command, the second how; what follows is what the server
answers, a NUL between one answer and the next.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from filesrv.client import asked
from filesrv.client.downloading import download
from filesrv.client.session import Session
from filesrv.client.uploading import upload
from fuzz.hostile import Victim
from fuzz.scene import HOME, SECRET, snapshot, watched

__all__ = ["check"]

_Job = Callable[[Session], Coroutine[Any, Any, None]]

_GREETING = b"OK filesrv 1.0 ready\r\n"

#: Bytes on disk that a download may take beside what the server sent: its notes, and what
#: a file system rounds up to.
_ROUNDED = 1024 * 1024

#: A conversation has at most so many answers.
_MOST_ANSWERS = 200


def _jobs(target: str) -> list[_Job]:
    into = f"{target}/"
    return [
        lambda session: download(session, ["d"], output=into, recursive=True),
        lambda session: download(session, ["*"], output=into, recursive=True),
        lambda session: download(session, ["."], output=into, recursive=True),
        lambda session: download(session, ["**/*.txt"], output=into),
        lambda session: download(session, ["f"], output=f"{target}/f"),
        lambda session: download(session, ["f", "link/g"], output=into),
        lambda session: asked.listing(session, ()),
        lambda session: asked.status(session, ("f",)),
        asked.pending,
        lambda session: asked.hash_of(session, ("f",), "sha256"),
        lambda session: asked.echo(session, ("hi",)),
        lambda session: upload(session, [f"{target}/here"]),
    ]


def check(data: bytes) -> None:
    """
    Run one command.

    @raise AssertionError: the server got what it wanted.
    """
    if len(data) < 2:
        return
    with tempfile.TemporaryDirectory(prefix="filesrv-fuzz-", dir=HOME) as place:
        _run(Path(place), data[0], data[1], data[2:])


def _run(place: Path, which: int, how: int, script: bytes) -> None:
    target, outside = place / "target", place / "outside"
    target.mkdir()
    (outside / "d").mkdir(parents=True)
    for name in ("x", "d/y", ".profile"):
        (outside / name).write_bytes(SECRET)
    os.symlink("../outside", target / "link")
    os.symlink("../outside/x", target / "f" if how & 4 else target / ".f.filesrv-part")
    os.symlink("../outside/x", target / ".f.filesrv-part.json")
    (target / "here").write_bytes(b"0123456789" * 100)
    before = snapshot(outside)
    answers = script.split(b"\0")[:_MOST_ANSWERS]
    if not how & 1:
        answers = [each if n else _GREETING + each for n, each in enumerate(answers)]
    victim = Victim(place / "state", answers, verify=bool(how & 2))
    jobs = _jobs(str(target))
    with watched():
        victim.run(jobs[which % len(jobs)])
    assert snapshot(outside) == before, "something outside has changed"
    beside = set(os.listdir(place)) - {"target", "outside", "state"}
    assert not beside, f"beside the directory lies {beside}"
    taken = sum(each.lstat().st_blocks * 512 for each in target.rglob("*"))
    assert taken < len(script) + _ROUNDED, f"{taken} bytes of disk were taken"
    for text in (victim.stdout.getvalue(), victim.stderr.getvalue()):
        unsafe = [c for c in text if not c.isprintable() and c != "\n"]
        assert not unsafe, f"the terminal got {unsafe[:9]!r}"
        assert SECRET.decode() not in text
