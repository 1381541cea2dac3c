"""
Where downloads go in the local file system: the only way from a server's name to a path.

Below the directory that the user named nothing is reached through a symbolic link, so
that neither a name, nor a link that lies about, leads out of it (openat(2), O_NOFOLLOW).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from filesrv.wire.names import check_name

__all__ = ["Place", "PlacesBelow", "place_at"]

#: Steps of a way that are held open.
_LONGEST_WAY = 8

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass
class Place:
    """
    A name in an open directory.

    @ivar directory: its descriptor, this object's own until L{close}.
    @ivar shown: the path as people know it.
    """

    directory: int
    leaf: str
    shown: str

    def close(self) -> None:
        """Let go of the directory.  A second call does nothing."""
        if self.directory >= 0:
            os.close(self.directory)
            self.directory = -1


def place_at(path: str) -> Place:
    """
    The place that the user named.

    @raise OSError: its directory cannot be opened.
    """
    directory, leaf = os.path.split(path)
    return Place(os.open(directory or ".", _DIRECTORY), leaf, path)


class PlacesBelow:
    """
    The places that a server's names lead to, below the directory that the user named.

    The way to the last of them is held open, because the next is mostly beside it.  Each
    step of it is asked whether its name leads to that very directory still, so that nothing
    is reached that opening each step anew would not reach.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._way: list[_Step] = []

    def place(self, parts: Sequence[str]) -> Place:
        """
        The place of a name; directories are made where they are missing.

        @raise filesrv.wire.errors.BadName: the parts are no name.
        @raise OSError: one of them is something else already, a symbolic link for instance.
        """
        check_name("/".join(parts))
        steps = [self._directory, *parts[:-1]]
        self._hold(self._still_there(steps))
        for part in steps[len(self._way) :]:
            above = self._way[-1].descriptor if self._way else None
            self._way.append(_Step(part, _open(part, above)))
        place = Place(
            os.dup(self._way[-1].descriptor), parts[-1], os.path.join(self._directory, *parts)
        )
        self._hold(_LONGEST_WAY)
        return place

    def close(self) -> None:
        """Let go of the way."""
        self._hold(0)

    def _still_there(self, steps: Sequence[str]) -> int:
        """How many of the first steps are open, and are what their names lead to."""
        above = None
        for count, (step, part) in enumerate(zip(self._way, steps, strict=False)):
            if step.part != part or not step.leads_there(above):
                return count
            above = step.descriptor
        return min(len(self._way), len(steps))

    def _hold(self, count: int) -> None:
        """Let go of all but the first steps."""
        while len(self._way) > count:
            os.close(self._way.pop().descriptor)


class _Step:
    """An open directory on a way."""

    def __init__(self, part: str, descriptor: int) -> None:
        self.part = part
        self.descriptor = descriptor
        found = os.fstat(descriptor)
        self._identity = found.st_ino, found.st_dev

    def leads_there(self, above: int | None) -> bool:
        """Whether its name still does."""
        try:
            # Only the one that the user named may be reached by a link.
            found = os.stat(self.part or ".", dir_fd=above, follow_symlinks=above is None)
        except OSError:
            return False
        return (found.st_ino, found.st_dev) == self._identity


def _open(part: str, above: int | None) -> int:
    """Open the next step of a way, and make it if it is missing."""
    try:
        return _step(part, above)
    except FileNotFoundError:
        if above is None:
            os.makedirs(part, exist_ok=True)
        else:
            with suppress(FileExistsError):
                os.mkdir(part, dir_fd=above)
        return _step(part, above)


def _step(part: str, above: int | None) -> int:
    if above is None:
        return os.open(part or ".", _DIRECTORY)
    try:
        return os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
    except NotADirectoryError:
        if stat.S_ISLNK(os.stat(part, dir_fd=above, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, "a symbolic link, which is not followed", part) from None
        raise
