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
from dataclasses import asdict, dataclass
from pathlib import Path

from filesrv.client.state import write_whole

__all__ = ["Fingerprint", "Journal"]


@dataclass(frozen=True)
class Fingerprint:
    """What changes when a file does, as far as stat(2) tells."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> Fingerprint:
        """That of a file."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ino)


class Journal:
    """One small file for each unfinished upload, named by server and name."""

    def __init__(self, directory: Path, server: str) -> None:
        """
        @raise OSError: there is no such directory.
        """
        self._directory = directory
        self._server = server

    def began(self, name: str, source: Fingerprint) -> None:
        """Keep what C{name} is uploaded from."""
        entry = {"server": self._server, "name": name, **asdict(source)}
        path = str(self._path(name))
        write_whole(path, json.dumps(entry).encode(), fresh=f"{path}.{os.getpid()}~")

    def changed(self, name: str, source: Fingerprint) -> bool:
        """
        Whether C{name} was begun from something else.  Of an upload that this machine
        knows nothing of, nothing is claimed.
        """
        try:
            entry = json.loads(self._path(name).read_bytes())
            return Fingerprint(**{key: entry[key] for key in asdict(source)}) != source
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def finished(self, name: str) -> None:
        """Nothing is left to go on with."""
        with suppress(OSError):
            self._path(name).unlink()

    def _path(self, name: str) -> Path:
        key = hashlib.sha256(f"{self._server}\n{name}".encode("utf-8", "surrogatepass"))
        return self._directory / f"{key.hexdigest()}.json"
