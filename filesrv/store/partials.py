"""
What has arrived of uploads that are not finished: C{.filesrv/partial/} under the root.

Each upload has a file named by its id, as long as what arrived, and beside it C{.blocks},
the digests of the 4 MiB blocks that are whole.  The size on disk is the offset; no
counter in memory is ever believed.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress

from filesrv.store.root import Root
from filesrv.store.space import Space

__all__ = ["Partial", "Partials"]

_BLOCKS = ".blocks"

#: Bytes after which the kernel is asked to begin writing them to disk.
WRITE_BACK_EVERY = 8 * 1024 * 1024


class Partial:
    """
    One unfinished file, open for writing at its end.

    @ivar size: bytes on disk.
    """

    def __init__(self, directory: int, id: str) -> None:
        """
        @raise OSError: it cannot be opened.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self.id = id
        self._directory = directory
        self.descriptor = os.open(id, flags, 0o666, dir_fd=directory)
        try:
            self._blocks = os.open(id + _BLOCKS, flags, 0o600, dir_fd=directory)
        except OSError:
            os.close(self.descriptor)
            raise
        self.size = self._sent_to_disk = os.fstat(self.descriptor).st_size

    def write(self, data: bytes | memoryview) -> None:
        """
        Append.

        @raise OSError: the disk did not take all of it; L{size} says how much it took.
        """
        view = memoryview(data)
        while view:
            written = os.pwrite(self.descriptor, view, self.size)
            self.size += written
            view = view[written:]
        if self.size - self._sent_to_disk >= WRITE_BACK_EVERY:
            self._start_write_back()

    def _start_write_back(self) -> None:
        # DONTNEED begins to write dirty pages and does not wait for them (mm/fadvise.c);
        # so little is left for the flush at the end that nobody else waits for it.
        length = self.size - self._sent_to_disk
        os.posix_fadvise(self.descriptor, self._sent_to_disk, length, os.POSIX_FADV_DONTNEED)
        self._sent_to_disk = self.size

    def read(self, offset: int, length: int) -> bytes:
        """At most C{length} bytes from C{offset}."""
        return os.pread(self.descriptor, length, offset)

    def truncate(self, size: int) -> None:
        """Cut off what is held beyond C{size}."""
        os.ftruncate(self.descriptor, size)
        self.size = self._sent_to_disk = size

    def load_blocks(self, length: int) -> bytes:
        """The first C{length} bytes of the block digests, or fewer if fewer are kept."""
        return os.pread(self._blocks, length, 0)

    def save_blocks(self, offset: int, digests: bytes) -> None:
        """Keep C{digests} from C{offset} on, and nothing behind them."""
        os.pwrite(self._blocks, digests, offset)
        os.ftruncate(self._blocks, offset + len(digests))

    def stat(self) -> os.stat_result:
        """The status of the file."""
        return os.fstat(self.descriptor)

    def flush(self) -> None:
        """Return when all of it, and its digests, are on disk."""
        os.fdatasync(self.descriptor)
        os.fdatasync(self._blocks)

    def give_back(self) -> None:
        """Free what was reserved behind the end: who knows whether the client returns."""
        os.ftruncate(self.descriptor, self.size)

    def publish(self, root: Root, name: str, replace: bool, modified: int | None) -> None:
        """
        Put the file in its place, all of it or not at all.

        @param modified: the time it is to have, in nanoseconds since the epoch.
        @raise FilesrvError: see L{Root.publish}.
        @raise OSError: the disk failed.
        """
        if modified is not None:
            os.utime(self.descriptor, ns=(modified, modified))
        if root.durable:
            os.fdatasync(self.descriptor)
        root.publish(self._directory, self.id, name, replace)
        with suppress(FileNotFoundError):
            os.unlink(self.id + _BLOCKS, dir_fd=self._directory)

    def close(self) -> None:
        """Let go; what arrived stays.  A second call does nothing."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            os.close(self._blocks)
            self.descriptor = self._blocks = -1


class Partials:
    """
    All unfinished files under one root.

    @ivar space: the room that is left for them.
    """

    def __init__(self, directory: str) -> None:
        """
        @param directory: made if it is missing.
        @raise OSError: it cannot be.
        """
        os.makedirs(directory, mode=0o700, exist_ok=True)
        self._directory = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.space = Space(self._directory)

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self._directory)

    @staticmethod
    def new_id() -> str:
        """An id that no other upload has."""
        return secrets.token_hex(16)

    def open(self, id: str) -> Partial:
        """
        Open an unfinished file, or begin it.

        @raise OSError: the disk failed.
        """
        return Partial(self._directory, id)

    def status(self, id: str) -> os.stat_result | None:
        """Of an unfinished file; L{None} where nothing of it is here."""
        try:
            return os.stat(id, dir_fd=self._directory)
        except FileNotFoundError:
            return None

    def size(self, id: str) -> int:
        """How much of it has arrived; 0 if nothing has."""
        found = self.status(id)
        return 0 if found is None else found.st_size

    def ids(self) -> Iterator[str]:
        """Every upload of which something is here."""
        return iter({name.removesuffix(_BLOCKS) for name in os.listdir(self._directory)})

    def remove(self, id: str) -> None:
        """Delete what arrived of an upload."""
        for name in (id, id + _BLOCKS):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self._directory)
