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

__all__ = ["Place", "place_at", "place_below"]

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


def place_below(directory: str, parts: Sequence[str]) -> Place:
    """
    A place that a server's name leads to, below the directory that the user named; both
    are made where they are missing.

    @raise filesrv.wire.errors.BadName: the parts are no name.
    @raise OSError: one of them is something else already, a symbolic link for instance.
    """
    check_name("/".join(parts))
    try:
        descriptor = os.open(directory or ".", _DIRECTORY)
    except FileNotFoundError:
        os.makedirs(directory, exist_ok=True)
        descriptor = os.open(directory, _DIRECTORY)
    try:
        for part in parts[:-1]:
            try:
                below = _step(descriptor, part)
            except FileNotFoundError:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=descriptor)
                below = _step(descriptor, part)
            os.close(descriptor)
            descriptor = below
    except BaseException:
        os.close(descriptor)
        raise
    return Place(descriptor, parts[-1], os.path.join(directory, *parts))


def _step(directory: int, part: str) -> int:
    try:
        return os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
    except NotADirectoryError:
        if stat.S_ISLNK(os.stat(part, dir_fd=directory, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, "a symbolic link, which is not followed", part) from None
        raise
