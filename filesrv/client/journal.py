"""
Which file an unfinished upload was begun from.

The server goes on with what it holds of a name and a size.  Whether the local file is
still the one that those bytes came from, only this side can tell: by what stat(2) said
of it when the upload began.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from filesrv.client.state import write_whole

__all__ = ["Fingerprint", "Journal"]

_ENTRY = ".json"
_DIGESTS = ".blocks"


class Fingerprint(NamedTuple):
    """What changes when a file does, as far as stat(2) tells."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> Fingerprint:
        """That of a file."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


class Journal:
    """
    A small file for each unfinished upload, named by server and name, and beside it the
    digests of the blocks that were sent.
    """

    def __init__(self, directory: Path, server: str) -> None:
        """
        @raise OSError: there is no such directory.
        """
        self._directory = directory
        self._server = server
        # Of most files nothing is there, and each look would cost as much as a system call.
        self._there = set(os.listdir(directory))

    def began(self, name: str, source: Fingerprint) -> None:
        """Keep what C{name} is uploaded from."""
        entry = {"server": self._server, "name": name, **source._asdict()}
        path = str(self._path(name))
        self._there.add(os.path.basename(path))
        write_whole(path, json.dumps(entry).encode(), fresh=f"{path}.{os.getpid()}~")

    def known(self, name: str) -> Fingerprint | None:
        """What C{name} was begun from; L{None} if this machine knows nothing of it."""
        if not self._there:
            return None
        try:
            entry = json.loads(self._path(name).read_bytes())
            return Fingerprint(**{field: entry[field] for field in Fingerprint._fields})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def digests(self, name: str) -> bytes:
        """The digests of the blocks that were sent, as far as they were kept."""
        try:
            return self._path(name, _DIGESTS).read_bytes()
        except OSError:
            return b""

    def keep_digests(self, name: str, offset: int, digests: bytes) -> None:
        """Keep further digests from C{offset} on, and nothing behind them."""
        with suppress(OSError):  # They spare reading; nothing depends on them.
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            path = self._path(name, _DIGESTS)
            self._there.add(path.name)
            with open(os.open(path, flags, 0o600), "wb") as file:
                os.pwrite(file.fileno(), digests, offset)
                os.ftruncate(file.fileno(), offset + len(digests))

    def finished(self, name: str) -> None:
        """Nothing is left to go on with."""
        for suffix in (_DIGESTS, _ENTRY) if self._there else ():
            path = self._path(name, suffix)
            self._there.discard(path.name)
            with suppress(OSError):
                path.unlink()

    def _path(self, name: str, suffix: str = _ENTRY) -> Path:
        key = hashlib.sha256(f"{self._server}\n{name}".encode("utf-8", "surrogatepass"))
        return self._directory / f"{key.hexdigest()}{suffix}"
