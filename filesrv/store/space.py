"""
Room on the disk: asked for, and where that is cheap reserved, before an upload begins.
"""

from __future__ import annotations

import ctypes
import errno
import os

from twisted.logger import Logger

from filesrv.wire.errors import NoSpace

__all__ = ["Space"]

#: FALLOC_FL_KEEP_SIZE of fallocate(2): the size stays what has arrived.
_KEEP_SIZE = 1

#: File systems whose fallocate notes extents.  On others, tmpfs for one, it fills every
#: page, which for a large file would stop the process for seconds.
_CHEAP = frozenset({"ext4", "xfs", "btrfs", "f2fs", "bcachefs", "ocfs2"})

#: Below this, asking costs more than finding out.
_WORTH_ASKING = 256 * 1024

_log = Logger()


class Space:
    """The file system under one directory."""

    def __init__(self, directory: int) -> None:
        """
        @param directory: a descriptor.
        """
        self._directory = directory
        self._fallocate = _fallocate() if _file_system(directory) in _CHEAP else None

    def reserve(self, descriptor: int, offset: int, length: int) -> None:
        """
        See to it that C{length} bytes fit into an open file from C{offset} on.

        @raise NoSpace: they do not; C{missing} says how many bytes more are needed.
        @raise OSError: the disk failed.
        """
        if length < _WORTH_ASKING:
            return
        found = os.fstatvfs(self._directory)
        reserved = os.fstat(descriptor).st_blocks * 512 - offset
        missing = length - max(0, reserved) - found.f_bavail * found.f_frsize
        if missing > 0:
            raise _lacking(missing)
        if self._fallocate is not None:
            code = self._fallocate(descriptor, _KEEP_SIZE, offset, length)
            if code == errno.ENOSPC:
                raise _lacking(length)
            if code not in (0, errno.EOPNOTSUPP, errno.ENOSYS):
                raise OSError(code, os.strerror(code))


def _lacking(missing: int) -> NoSpace:
    _log.error("the disk lacks room for {missing} bytes of an upload", missing=missing)
    return NoSpace(f"the server's disk lacks room for {missing} bytes", missing=missing)


class _Fallocate:
    """fallocate(2), for which Python has no name: os.posix_fallocate changes the size."""

    def __init__(self) -> None:
        self._call = ctypes.CDLL(None, use_errno=True).fallocate
        self._call.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]

    def __call__(self, descriptor: int, mode: int, offset: int, length: int) -> int:
        """0, or what errno says."""
        return 0 if self._call(descriptor, mode, offset, length) == 0 else ctypes.get_errno()


def _fallocate() -> _Fallocate | None:
    try:
        return _Fallocate()
    except (OSError, AttributeError):  # a system without it
        return None


def _file_system(directory: int) -> str:
    """The type of the file system, by /proc/self/mountinfo (proc(5)); C{""} if unknown."""
    device = os.fstat(directory).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
            for line in mounts:
                before, _, after = line.partition(" - ")
                if before.split(" ")[2] == wanted:
                    return after.split(" ")[0]
    except OSError:
        pass
    return ""
