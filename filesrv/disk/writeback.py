"""
Writing to disk as bytes arrive, so that little is left for the flush in the end.

sync_file_range(2), for which Python has no name, begins to write a range, and waits for
one.  Waiting for what was begun some MiB ago holds a sender that is faster than the disk to
the disk's pace, a blink at a time; left alone, it would run ahead until a flush, for which
everybody waits, takes seconds.  Where nothing is flushed in the end, nobody waits.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from contextlib import suppress

__all__ = ["WriteBack"]

#: Bytes after which the disk is asked to begin writing them: 20 ms of a disk that takes
#: 100 MB/s.
EVERY = 2 * 1024 * 1024

#: Bytes that may be on their way to the disk: enough to keep a fast one busy meanwhile.
IN_FLIGHT = 8 * 1024 * 1024

#: SYNC_FILE_RANGE_WRITE, and that with WAIT_BEFORE and WAIT_AFTER (linux/fs.h).
_BEGIN = 2
_FINISH = 7


class WriteBack:
    """What of a file that grows at its end is on its way to the disk."""

    def __init__(self, descriptor: int, size: int, wait: bool) -> None:
        """
        @param wait: whether it is flushed in the end.
        """
        self._descriptor = descriptor
        self._wait = wait
        self._begun = self._done = size

    def grown(self, size: int) -> None:
        """Go on writing, the file having this size now."""
        if size - self._begun < EVERY:
            return
        self._call(self._begun, size - self._begun, _BEGIN)
        self._begun = size
        if self._wait and size - self._done > IN_FLIGHT:
            length = size - IN_FLIGHT - self._done
            self._call(self._done, length, _FINISH)
            self._done += length

    def truncated(self, size: int) -> None:
        """The file has this size now, and what is there is none of our business."""
        self._begun = self._done = size

    def _call(self, offset: int, length: int, flags: int) -> None:
        # What fails in earnest, the flush says.
        if _SYNC_FILE_RANGE is not None:
            _SYNC_FILE_RANGE(self._descriptor, offset, length, flags)
        elif flags == _BEGIN:
            with suppress(OSError):
                os.posix_fadvise(self._descriptor, offset, length, os.POSIX_FADV_DONTNEED)


def _find() -> Callable[[int, int, int, int], int] | None:
    try:
        call = ctypes.CDLL(None).sync_file_range
    except (OSError, AttributeError):  # a system without it
        return None
    call.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return call


_SYNC_FILE_RANGE = _find()
