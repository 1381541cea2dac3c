"""
Where it is measured: a directory in memory, the servers that are installed, the sizes.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.servers import SERVERS
from benchmarks.servers.base import Server
from filesrv.transfer.digest import BlockDigests

__all__ = ["FULL", "GIB", "MIB", "QUICK", "Bench", "Sizes"]

MIB = 1024 * 1024
GIB = 1024 * MIB

_NOT_IN_LINES = bytes(128 | byte for byte in range(256))


@dataclass(frozen=True)
class Sizes:
    """
    How much is moved.

    @ivar room: bytes that all of it takes in memory at once, at most.
    @ivar stream: bytes of one transfer.
    @ivar together: bytes of all those that run at once; to begin is no part to speak of.
    @ivar command: bytes that a whole command moves.
    @ivar files: how many small files.
    @ivar echoes: ECHOs that are sent ahead.
    @ivar loaded: seconds that uploads and downloads run flat out.
    @ivar idle: connections that do nothing.
    @ivar sparse: bytes of the file whose passing takes no memory.
    @ivar resumed: bytes of the files that break off.
    @ivar chart: bytes of the files in the picture.
    """

    room: int
    stream: int
    together: int
    command: int
    files: int
    echoes: int
    loaded: float
    idle: int
    sparse: int
    resumed: tuple[int, ...]
    chart: tuple[int, ...]


FULL = Sizes(
    room=8 * GIB,
    stream=512 * MIB,
    together=2 * GIB,
    command=GIB,
    files=5000,
    echoes=100_000,
    loaded=4.0,
    idle=10_000,
    sparse=20 * GIB,
    resumed=(16 * MIB, GIB),
    chart=(4096, 65536, MIB, 16 * MIB, 256 * MIB),
)

QUICK = Sizes(
    room=GIB,
    stream=64 * MIB,
    together=256 * MIB,
    command=64 * MIB,
    files=200,
    echoes=5000,
    loaded=1.0,
    idle=500,
    sparse=256 * MIB,
    resumed=(16 * MIB,),
    chart=(4096, MIB, 64 * MIB),
)


class Bench:
    """
    As a context manager; it ends all servers, and leaves nothing.

    @ivar place: the directory in memory.
    @ivar home: what commands keep between their runs.
    @ivar missing: what is not as it should be, in words: what is not installed, above all.
    """

    def __init__(self, sizes: Sizes, memory: Path, disk: Path) -> None:
        self.sizes = sizes
        self.disk = disk
        self.missing: dict[str, None] = {}
        if shutil.disk_usage(memory).free < sizes.room:
            self.lacks(f"{memory} has no room for {sizes.room // GIB} GiB: files are in {disk}")
            memory = disk
        self.place = Path(tempfile.mkdtemp(prefix="filesrv-performance-", dir=memory))
        self.home = self.place / "home"
        self.home.mkdir()
        self._at_end: list[Callable[[], None]] = []
        self._servers: dict[str, Server] = {}
        for name, make in SERVERS.items():
            server = make()
            if missing := server.missing():
                self.lacks(f"{missing} is not installed")
            else:
                self._servers[name] = server

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *raised: object) -> None:
        for end in reversed(self._at_end):
            try:
                end()
            except Exception as error:  # What is left has to end, too.
                print(f"at the end: {error}", file=sys.stderr)
        shutil.rmtree(self.place, ignore_errors=True)

    def lacks(self, words: str) -> None:
        """Remember what is missing, to be said once."""
        self.missing[words] = None

    def has(self, name: str) -> bool:
        """Whether a server is installed, and runs."""
        if name not in self._servers:
            return False
        try:
            self.server(name)
        except RuntimeError as error:  # No fault of ours.
            del self._servers[name]
            self.lacks(str(error))
        return name in self._servers

    def server(self, name: str) -> Server:
        """
        A server, started when it is first asked for.

        @raise RuntimeError: it does not start.
        """
        server = self._servers[name]
        if not server.port:
            place = self.place / name.replace(" ", "-").replace(",", "")
            place.mkdir()
            server.start(place)
            self._at_end.append(server.stop)
        return server

    def at_end(self, end: Callable[[], None]) -> None:
        """Have something done before the servers end."""
        self._at_end.append(end)

    @cache  # noqa: B019
    def source(self, size: int) -> Path:
        """
        A file in memory of so many random bytes.  None of them can be part of a line, so
        that a relay sees where a file begins.
        """
        path = self.place / f"source-{size}"
        piece = os.urandom(min(size, 16 * MIB)).translate(_NOT_IN_LINES)
        with path.open("wb") as file:
            for start in range(0, size, len(piece)):
                # No two pieces are the same, or one in the place of another went unseen.
                stamp = f"{start:016x}".encode().translate(_NOT_IN_LINES)
                file.write((stamp + piece[len(stamp) :])[: size - start])
        return path

    @cache  # noqa: B019
    def digest(self, size: int) -> str:
        """The C{blake3-4m} of that file."""
        digests = BlockDigests()
        with self.source(size).open("rb") as file:
            while piece := file.read(4 * MIB):
                digests.update(piece)
        return digests.hexdigest()

    def published(self, server: Server, size: int) -> str:
        """The name of that file at a server, that takes no more memory for it."""
        path = server.root / f"down-{size}"
        if not path.exists():
            os.link(self.source(size), path)
        return path.name
