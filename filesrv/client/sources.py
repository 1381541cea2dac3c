"""
What is uploaded: local files, whole directories, and what comes in from a pipe.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from filesrv.client.journal import Fingerprint

__all__ = ["Found", "Source", "find", "upload_name"]

#: O_NONBLOCK so that a FIFO does not hold the process in open(2).
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


class Source:
    """
    One local file, held open over the tries of its upload.

    @ivar fingerprint: what it was when it was opened.
    @ivar modified: its time, in nanoseconds since the epoch.
    """

    def __init__(self, path: str) -> None:
        """
        @raise OSError: it cannot be opened, or is no file.
        """
        self.path = path
        self.descriptor = -1
        self.open()

    def open(self) -> None:
        """
        Open the file that has the path now.

        @raise OSError: there is none.
        """
        self.close()
        self.descriptor = os.open(self.path, _FLAGS)
        found = os.fstat(self.descriptor)
        if not stat.S_ISREG(found.st_mode):
            self.close()
            if stat.S_ISDIR(found.st_mode):
                raise OSError(errno.EISDIR, "a directory; -r uploads it whole", self.path)
            raise OSError(errno.EINVAL, "not a file", self.path)
        self.fingerprint = Fingerprint.of(found)

    @property
    def size(self) -> int:
        """Bytes when it was opened."""
        return self.fingerprint.size

    @property
    def modified(self) -> int:
        """Nanoseconds since the epoch when it was opened."""
        return self.fingerprint.mtime_ns

    def changed(self) -> bool:
        """
        Whether the path has something else to offer than what was opened.

        @raise OSError: it has nothing any more.
        """
        return Fingerprint.of(os.stat(self.path)) != self.fingerprint

    def close(self) -> None:
        """Let go of the file.  A second call does nothing."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class Found(NamedTuple):
    """
    A local file to upload.

    @ivar name: below the name that its directory gets, or of the file itself.
    @ivar skipped: why it is not uploaded, if it is not.
    """

    path: str
    name: str
    skipped: str = ""


def find(path: str, recursive: bool) -> Iterator[Found]:
    """
    The file at C{path}, or with C{recursive} all below it, in the order of their names.
    Links below a directory are not followed: they may lead anywhere.
    """
    name = os.path.basename(os.path.normpath(path))
    if not (recursive and os.path.isdir(path)):
        yield Found(path, name)
    else:
        yield from _below(path, "" if name in (".", "..") else name)


def _below(directory: str, name: str) -> Iterator[Found]:
    try:
        with os.scandir(directory) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        yield Found(directory, name, skipped=error.strerror or "it cannot be read")
        return
    for entry in entries:
        below = upload_name(name, entry.name)
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path, below)
        elif entry.is_file(follow_symlinks=False):
            yield Found(entry.path, below)
        else:
            kind = "a symbolic link" if entry.is_symlink() else "no file"
            yield Found(entry.path, below, skipped=f"it is {kind}")


def upload_name(directory: str, name: str) -> str:
    """C{name} in a directory of the server; C{""} is its root."""
    directory = directory.strip("/")
    return f"{directory}/{name}" if directory else name
