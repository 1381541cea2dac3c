"""
Giving back the room of large files that have lost their name, in slices.

To free a file of some GiB, the kernel works for seconds within the call that takes the last
hold of it away: unlink(2), rename(2) over it, or close(2).  Here the file is held open while
it loses its name, and then shortened, slice by slice, between other events.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from filesrv.store.failures import close

__all__ = ["Freeing"]

#: Bytes of a file from which it is worth the trouble: freeing less takes 10 ms.
LARGE = 64 * 1024 * 1024

#: Bytes that are freed at a time, in 3 to 5 ms on ext4.
SLICE = 16 * 1024 * 1024

#: Files that are held open for it at most: descriptors are for clients.  What comes beyond
#: is freed at once.
MOST = 32


class Freeing:
    """
    The files that are being freed.

    @ivar on_work: called when there is something to do where there was nothing: L{step} is
        to be called then until it says that there is no more.
    """

    def __init__(self) -> None:
        self.on_work: Callable[[], object] = lambda: None
        self._descriptors: deque[int] = deque()

    def close(self) -> None:
        """Leave the rest to the kernel."""
        while self._descriptors:
            close(self._descriptors.popleft())

    @contextmanager
    def unnamed(self, directory: int, leaf: str) -> Iterator[None]:
        """Around what takes its name from a file, if there is one."""
        full = len(self._descriptors) >= MOST
        descriptor = None if full else _hold(directory, leaf)
        try:
            yield
        finally:
            if descriptor is not None:
                self._take(descriptor)

    def step(self) -> bool:
        """Free a slice; whether there is more to do."""
        if not self._descriptors:
            return False
        descriptor = self._descriptors[0]
        try:
            left = max(0, os.fstat(descriptor).st_size - SLICE)
            os.ftruncate(descriptor, left)
        except OSError:
            left = 0
        if left == 0:
            close(self._descriptors.popleft())
        return bool(self._descriptors)

    def _take(self, descriptor: int) -> None:
        if not _is_ours_alone(descriptor):
            close(descriptor)
            return
        self._descriptors.append(descriptor)
        if len(self._descriptors) == 1:
            self.on_work()


def _hold(directory: int, leaf: str) -> int | None:
    """Open a file if it is a large one; whatever is wrong with it, others tell."""
    try:
        found = os.stat(leaf, dir_fd=directory, follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode) or found.st_size < LARGE:
            return None
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(leaf, flags, dir_fd=directory)
    except OSError:
        return None


def _is_ours_alone(descriptor: int) -> bool:
    """
    Whether the file has no name any more, and nobody else reads on in it: then nobody ever
    sees that it becomes shorter.
    """
    try:
        if os.fstat(descriptor).st_nlink:
            return False
        # This lease is only granted to the one who has the file open (fcntl(2)).
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:
        return False
    return True
