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

from filesrv.store.failures import close

__all__ = ["Walk"]

#: Steps that are held open at most; descriptors are for clients.
DEEPEST = 8


class Walk:
    """Descriptors of directories, each a step below the one before."""

    def __init__(self, root: int) -> None:
        """
        @param root: the descriptor that it starts from; it stays the caller's.
        """
        self._root = root
        self._steps: list[tuple[str, int]] = []

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
            below = step(self._steps[-1][1] if self._steps else self._root, part)
            if len(self._steps) == DEEPEST:
                self.rest()
            self._steps.append((part, below))
        return self._steps[-1][1] if self._steps else self._root

    def _standing(self, parts: Sequence[str]) -> int:
        """How many of the steps that are held open lead where C{parts} lead."""
        directory = self._root
        for count, ((part, below), wanted) in enumerate(zip(self._steps, parts, strict=False)):
            if part != wanted or not _leads_to(directory, part, below):
                return count
            directory = below
        return min(len(self._steps), len(parts))

    def rest(self, steps: int = 0) -> None:
        """Hold no more than so many steps."""
        while len(self._steps) > steps:
            close(self._steps.pop()[1])


def _leads_to(directory: int, part: str, below: int) -> bool:
    try:
        found = os.stat(part, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return False
    return os.path.samestat(found, os.fstat(below))
