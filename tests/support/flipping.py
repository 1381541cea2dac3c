"""Somebody who exchanges two names, as fast as a process can, while others work."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Flipping", "flipping"]

#: Exchanges until stdin ends, and then says how often.  renameat2(2) with RENAME_EXCHANGE:
#: at every moment both names are there.
_PROGRAM = """
import ctypes, select, sys
libc = ctypes.CDLL(None, use_errno=True)
pairs = [tuple(pair.encode().split(b"=")) for pair in sys.argv[1:]]
count = 0
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    for _ in range(50):
        for one, other in pairs:
            count += not libc.renameat2(-100, one, -100, other, 2)
print(count)
"""


@dataclass
class Flipping:
    """
    @ivar count: how often the names were exchanged; 0 until it is over.
    """

    count: int = 0


@contextmanager
def flipping(*pairs: tuple[Path, Path]) -> Iterator[Flipping]:
    """Exchange what these pairs of paths name, for as long as the block runs."""
    done = Flipping()
    program = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *(f"{one}={other}" for one, other in pairs)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdin is not None
    assert program.stdout is not None
    try:
        assert program.stdout.readline() == "ready\n"
        yield done
        said, _ = program.communicate(timeout=20)
        done.count = int(said)
    finally:
        program.kill()
        program.wait()
