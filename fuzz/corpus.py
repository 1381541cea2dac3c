"""
The inputs that are kept: ``fuzz/corpus/TARGET``, a file each, the smallest that still
reach all that was ever reached.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from fuzz.targets import Target

__all__ = ["CORPUS", "distil", "inputs"]

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"

#: What counts as reached: lines of this project, one after the other, and of the second
#: reading of the contract, which takes steps where the first has regular expressions.
_WATCHED = (str(HERE.parent / "filesrv"), str(HERE / "reference.py"))


def inputs(*directories: Path) -> Iterator[Path]:
    """The files in these directories, as far as they are there, small ones first."""
    there = [directory for directory in directories if directory.is_dir()]
    found = [each for directory in there for each in directory.iterdir()]
    return iter(sorted(found, key=lambda each: (each.stat().st_size, each.name)))


def distil(target: Target, *directories: Path) -> tuple[int, int]:
    """
    Make the corpus of a target anew, of what is in it and in other directories: an input
    is kept if it reaches what no smaller one does.

    @return: how many inputs there were, and how many are kept.
    """
    reached: set[object] = set()
    kept: dict[str, bytes] = {}
    count = 0
    home = CORPUS / target.name
    for path in inputs(home, *directories):
        data = path.read_bytes()
        count += 1
        found = _reached_by(target, data)
        if not found <= reached:
            reached |= found
            kept[hashlib.sha256(data).hexdigest()[:16]] = data
    home.mkdir(parents=True, exist_ok=True)
    for path in home.iterdir():
        path.unlink()
    _write(home, kept.items())
    return count, len(kept)


def _write(home: Path, kept: Iterable[tuple[str, bytes]]) -> None:
    for name, data in kept:
        (home / name).write_bytes(data)


def _reached_by(target: Target, data: bytes) -> set[object]:
    """Each step from one line of this project to the next within a function."""
    reached: set[object] = set()

    def begin(frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if not code.co_filename.startswith(_WATCHED):
            return None
        last = 0

        def step(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal last
            reached.add((_known(code), last, frame.f_lineno))
            last = frame.f_lineno
            return step

        return step(frame, event, argument)

    sys.settrace(begin)
    try:
        target.check(data)
    finally:
        sys.settrace(None)
    return reached


def _known(code: CodeType) -> tuple[str, int]:
    return code.co_filename, code.co_firstlineno
