"""
Files that are moved: made, compared, and removed.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

__all__ = ["assert_same", "many_files", "remove"]

_PIECE = 1024 * 1024

#: Bytes of a small file, and how many are in a directory.
_SMALL = 4096
_IN_ONE = 500


def many_files(place: Path, count: int) -> Path:
    """A directory of so many small files, no two the same."""
    for number in range(count):
        path = place / f"{number // _IN_ONE:02}" / f"{number:05}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(_SMALL))
    return place


def assert_same(one: Path, other: Path) -> None:
    """
    Compare files byte by byte, and directories file by file.

    @raise AssertionError: they differ.
    """
    if one.is_dir():
        names = {path.relative_to(one) for path in one.rglob("*")}
        found = {path.relative_to(other) for path in other.rglob("*")}
        assert names == found, f"{other} has {len(found)} of {len(names)} names"
        for name in names:
            if (one / name).is_file():
                assert_same(one / name, other / name)
        return
    with one.open("rb", 0) as first, other.open("rb", 0) as second:
        while piece := first.read(_PIECE):
            assert piece == second.read(_PIECE), f"{other} has other bytes"
        assert not second.read(1), f"{other} is longer"


def remove(path: Path) -> None:
    """A file, or a directory with all that is in it."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
