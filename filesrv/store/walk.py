"""
The way from the root to the directory that was used last, each step of it held open: most
files are in the directory of the file before.

A step is gone again when its name leads to it still, which one stat(2) tells: what is held
open keeps its inode for itself.  So no symbolic link, and nobody who renames directories
meanwhile, leads anywhere where opening each step anew would not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

from filesrv.store.failures import close

__all__ = ["Walk"]

#: Steps that are held open at most; descriptors are for clients.
DEEPEST = 8


class _Step(NamedTuple):
    """
    A directory that is held open.

    @ivar part: its name in the one before.
    @ivar itself: device and inode, which stay the same for as long as it is held.
    """

    part: str
    descriptor: int
    itself: tuple[int, int]


class Walk:
    """Descriptors of directories, each a step below the one before."""

    def __init__(self, root: int, found: os.stat_result) -> None:
        """
        @param root: the descriptor that it starts from; it stays the caller's.
        @param found: the status of that.
        """
        self._root = _Step("", root, _itself(found))
        self._steps: list[_Step] = []

    @property
    def device(self) -> int:
        """Of the directory where the last call of L{to} led."""
        return (self._steps[-1] if self._steps else self._root).itself[0]

    def to(self, directory: str, step: Callable[[int, str], int]) -> int:
        """
        The descriptor of a directory, until the next call of any method.

        @param directory: a name; C{""} is the root.
        @param step: opens the directory of a name in one that is open.
        @raise OSError: a step fails.
        """
        parts = directory.split("/") if directory else []
        self.rest(self._standing(parts))
        for part in parts[len(self._steps) :]:
            below = step((self._steps[-1] if self._steps else self._root).descriptor, part)
            if len(self._steps) == DEEPEST:
                self.rest()
            self._steps.append(_Step(part, below, _itself(os.fstat(below))))
        return (self._steps[-1] if self._steps else self._root).descriptor

    def _standing(self, parts: Sequence[str]) -> int:
        """How many of the steps that are held open lead where C{parts} lead."""
        directory = self._root.descriptor
        for count, (held, wanted) in enumerate(zip(self._steps, parts, strict=False)):
            if held.part != wanted or not _leads_to(directory, held):
                return count
            directory = held.descriptor
        return min(len(self._steps), len(parts))

    def rest(self, steps: int = 0) -> None:
        """Hold no more than so many steps."""
        while len(self._steps) > steps:
            close(self._steps.pop().descriptor)


def _leads_to(directory: int, held: _Step) -> bool:
    try:
        found = os.stat(held.part, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return False
    return _itself(found) == held.itself


def _itself(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
