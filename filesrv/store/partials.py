"""
What has arrived of uploads that are not finished: C{.filesrv/partial/} under the root.

Each upload has a file named by its id, as long as what arrived, and beside it C{.blocks}:
a seal, and the digests of the 4 MiB blocks that are whole.  The size on disk is the offset;
no counter in memory is ever believed.

The seal says that both files are as we left them, after each write.  It is made of what the
kernel changes with every write, and of the digests, so that it tells also after the daemon
was killed whether somebody else has touched either.  With it stands the digest of what
there was then behind the whole blocks, for where the seal is broken.

A daemon that has much to do is mostly killed within a write.  So in the place of the seal
there is a mark while one goes on, and the times of both files tell that nothing came after.
"""

from __future__ import annotations

import os
import secrets
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from blake3 import blake3

from filesrv.disk.moments import follows
from filesrv.disk.writeback import WriteBack
from filesrv.store.failures import close, refusals
from filesrv.store.freeing import Freeing
from filesrv.store.root import Root, status_of
from filesrv.store.space import Space
from filesrv.wire.errors import BadChecksum

__all__ = ["Partial", "Partials"]

_BLOCKS = ".blocks"

#: Bytes of the seal, which has the length of a digest; the note is behind it.
_SEAL_SIZE = 32

#: The size of the file, and the digest of its end behind the whole blocks.
_NOTE = struct.Struct("<Q32s")

#: Where the digests of the blocks begin.
_DIGESTS = _SEAL_SIZE + _NOTE.size

#: What makes a mark another than the seal.
_WRITING = b"writing"

#: Bytes that a file may take beyond its size without any being reserved: file systems
#: round up, to 64 KiB at most, and count what finds the blocks.
_ROUNDED = 1024 * 1024


class Partial:
    """
    One unfinished file, open for writing at its end.

    @ivar size: bytes on disk.
    """

    def __init__(self, directory: int, id: str, durable: bool, fresh: bool = False) -> None:
        """
        @param durable: whether it is flushed in the end.
        @param fresh: whether nothing of it is here yet.  The file of the digests is then
            only made when there is something to put into it.
        @raise OSError: it cannot be opened.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self.id = id
        self._directory = directory
        self.descriptor = os.open(id, flags | os.O_EXCL * fresh, 0o666, dir_fd=directory)
        self._opened_blocks = -1
        self._has_blocks = not fresh
        #: The status after the latest change of ours; L{None} before the first one of a file
        #: that was just made.
        self._as_left: os.stat_result | None = None
        self._kept, self._kept_size = blake3(), 0
        self.size = 0
        if not fresh:
            try:
                self._as_left = self.stat()
                self.size = self._as_left.st_size
                self._restore_kept()
            except OSError:
                self.close()
                raise
        self._write_back = WriteBack(self.descriptor, self.size, durable)
        self._touched = False
        #: The note under the seal; empty where something has changed since.
        self._note = b""

    @property
    def _blocks(self) -> int:
        """
        The descriptor of the file of the digests.

        @raise OSError: it cannot be opened.
        """
        if self._opened_blocks < 0:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            name = self.id + _BLOCKS
            self._opened_blocks = os.open(name, flags, 0o600, dir_fd=self._directory)
            self._has_blocks = True
        return self._opened_blocks

    def write(self, data: bytes | memoryview) -> None:
        """
        Append.

        @raise OSError: the disk did not take all of it; L{size} says how much it took.
        """
        view = memoryview(data)
        with self._changing():
            if self._note and not self._touched:
                self._mark(self._note)
            while view:
                written = os.pwrite(self.descriptor, view, self.size)
                self.size += written
                view = view[written:]
        self._write_back.grown(self.size)

    def read(self, offset: int, length: int) -> bytes:
        """At most C{length} bytes from C{offset}."""
        return os.pread(self.descriptor, length, offset)

    def truncate(self, size: int) -> None:
        """Cut off what is held beyond C{size}."""
        with self._changing():
            os.ftruncate(self.descriptor, size)
        self.size = size
        self._write_back.truncated(size)

    @property
    def touched(self) -> bool:
        """Whether somebody else has changed it since it was opened."""
        if not self._touched and self._as_left is not None:
            self._touched = _times(self.stat()) != _times(self._as_left)
        return self._touched

    @property
    def inode(self) -> int:
        """Of the file, which keeps it when it gets its name."""
        return (self._as_left or self.stat()).st_ino

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Around each change of ours, so that one by somebody else is noticed."""
        self._touched = self.touched
        try:
            yield
        finally:
            self._as_left = self.stat()
            self._note = b""

    def load_blocks(self, length: int) -> bytes:
        """The first C{length} bytes of the block digests, or fewer if fewer are kept."""
        return os.pread(self._blocks, length, _DIGESTS)

    def save_blocks(self, offset: int, digests: bytes) -> None:
        """
        Keep C{digests} from C{offset} on, and nothing behind them.

        @raise OSError: the disk did not take all of them; what is kept is still right.
        """
        place = offset + _DIGESTS
        view = memoryview(digests)
        try:
            while view:
                written = os.pwrite(self._blocks, view, place)
                place += written
                view = view[written:]
        finally:
            os.ftruncate(self._blocks, place)
            if offset == self._kept_size and not view:
                self._kept.update(digests)
                self._kept_size += len(digests)
            else:
                self._restore_kept()

    def seal(self, end: bytes) -> None:
        """
        Say that both files are as they are to be, unless somebody else changed them.

        @param end: the digest of what is held behind the whole blocks.
        """
        if self.touched:
            # Nor is the mark of our last write to be believed.
            os.pwrite(self._blocks, bytes(_SEAL_SIZE), 0)
            return
        note = _NOTE.pack(self.size, end)
        version = status_of(self._as_left or self.stat()).version
        os.pwrite(self._blocks, self._seal(note, version.encode()) + note, 0)
        self._note = note

    def sealed(self) -> bool:
        """Whether nobody has touched either file since L{seal}."""
        return self._has(status_of(self.stat()).version.encode())

    def _mark(self, note: bytes) -> None:
        """Say that a change of ours is what comes at once."""
        with suppress(OSError):  # Without a mark, it is only more work to go on after a kill.
            os.fstat(self._blocks)  # See L{filesrv.disk.moments}.
            os.pwrite(self._blocks, self._seal(note, _WRITING), 0)

    def marked(self) -> bool:
        """
        Whether nothing was done to either file since L{seal} but a write of ours that was
        not finished, as far as L{follows} can tell.  What there is of it is as it is to be.
        """
        changed, mark = self.stat(), os.fstat(self._blocks)
        at_once = follows(changed.st_ctime_ns, mark.st_mtime_ns)
        longer = changed.st_size >= self.note()[0]
        return at_once and longer and self._has(_WRITING)

    def note(self) -> tuple[int, bytes]:
        """The size at the last L{seal}, and the digest that was given it; 0 if none was."""
        found = os.pread(self._blocks, _NOTE.size, _SEAL_SIZE)
        return _NOTE.unpack(found) if len(found) == _NOTE.size else (0, b"")

    def _seal(self, note: bytes, state: bytes) -> bytes:
        seal = self._kept.copy()
        seal.update(note)
        seal.update(state)
        return seal.digest()

    def _has(self, state: bytes) -> bool:
        found = os.pread(self._blocks, _DIGESTS, 0)
        return found[:_SEAL_SIZE] == self._seal(found[_SEAL_SIZE:], state)

    def _restore_kept(self) -> None:
        """Know what is kept in the file of the digests."""
        length = max(0, os.fstat(self._blocks).st_size - _DIGESTS)
        kept = self.load_blocks(length) if length else b""
        self._kept, self._kept_size = blake3(kept), len(kept)

    def stat(self) -> os.stat_result:
        """The status of the file."""
        return os.fstat(self.descriptor)

    def flush(self) -> None:
        """Return when all of it, its digests and the names of both are on disk."""
        os.fdatasync(self.descriptor)
        os.fdatasync(self._blocks)
        os.fsync(self._directory)

    def reserve(self, space: Space, length: int) -> None:
        """
        See to it that C{length} bytes more fit.  The file has to be sealed anew.

        @raise NoSpace: they do not.
        @raise OSError: the disk failed.
        """
        with self._changing():
            space.reserve(self.descriptor, self.size, length)

    def give_back(self) -> None:
        """Free what was reserved behind the end: who knows whether the client returns."""
        was_sealed, was_marked, (size, end) = self.sealed(), self.marked(), self.note()
        self.truncate(self.size)
        if was_sealed:
            with suppress(OSError):
                self.seal(end)
        elif was_marked:
            self._mark_again(_NOTE.pack(size, end))

    def _mark_again(self, note: bytes) -> None:
        # The first brings the digests' time into this tick, and the second is exact.
        self._mark(note)
        self._mark(note)
        with self._changing():
            os.utime(self.descriptor)

    def publish(self, root: Root, name: str, replace: bool, modified: int | None) -> None:
        """
        Put the file in its place, all of it or not at all.

        @param modified: the time it is to have, in nanoseconds since the epoch.
        @raise BadChecksum: somebody else has changed it meanwhile.
        @raise FilesrvError: see L{Root.publish}.
        @raise OSError: the disk failed.
        """
        if root.durable:
            os.fdatasync(self.descriptor)
        # After what takes long, for somebody else may write meanwhile.
        if self.touched:
            raise BadChecksum("somebody else wrote into what arrived; go on with what is good")
        if modified is not None:
            os.utime(self.descriptor, ns=(modified, modified))
            self._as_left = self.stat()
        root.publish(self._directory, self.id, name, replace)
        if self._has_blocks:
            with suppress(FileNotFoundError):
                os.unlink(self.id + _BLOCKS, dir_fd=self._directory)

    def close(self) -> None:
        """Let go; what arrived stays.  A second call does nothing."""
        if self.descriptor >= 0:
            descriptors = (self.descriptor, self._opened_blocks)
            self.descriptor = self._opened_blocks = -1
            for descriptor in descriptors:
                if descriptor >= 0:
                    close(descriptor)


def _times(found: os.stat_result) -> tuple[int, int]:
    """What the kernel changes with every write, and not for a new or a lost name."""
    return (found.st_mtime_ns, found.st_size)


class Partials:
    """
    All unfinished files under one root.

    @ivar space: the room that is left for them.
    """

    def __init__(
        self, directory: str, durable: bool = True, freeing: Freeing | None = None
    ) -> None:
        """
        @param directory: made if it is missing.
        @param durable: whether they are flushed in the end.
        @param freeing: what becomes of large files that are removed.
        @raise OSError: it cannot be.
        """
        os.makedirs(directory, mode=0o700, exist_ok=True)
        self._directory = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.space = Space(self._directory)
        self._durable = durable
        self._freeing = Freeing() if freeing is None else freeing

    def close(self) -> None:
        """Let go of the directory."""
        close(self._directory)

    @staticmethod
    def new_id() -> str:
        """An id that no other upload has."""
        return secrets.token_hex(16)

    def open(self, id: str, fresh: bool = False) -> Partial:
        """
        Open an unfinished file, or begin it.

        @param fresh: whether nothing of it is here yet.
        @raise OSError: the disk failed.
        """
        return Partial(self._directory, id, self._durable, fresh)

    def status(self, id: str) -> os.stat_result | None:
        """
        Of an unfinished file; L{None} where nothing of it is here.

        @raise FilesrvError: the disk failed, as in what follows.
        """
        with refusals(id, ours=True):
            try:
                return os.stat(id, dir_fd=self._directory)
            except FileNotFoundError:
                return None

    def size(self, id: str) -> int:
        """How much of it has arrived; 0 if nothing has."""
        found = self.status(id)
        return 0 if found is None else found.st_size

    def ids(self) -> Iterator[str]:
        """Every upload of which something is here, be it digests alone."""
        return iter({name.removesuffix(_BLOCKS) for name in os.listdir(self._directory)})

    def after_crash(self, id: str, size: int) -> bool:
        """
        Whether an upload of C{size} bytes can be gone on with that nobody could end in
        order: some of it is here, and it was not just given its name.  What was reserved
        for it is given back.

        @raise OSError: the disk failed.
        """
        found = self.status(id)
        if found is None or found.st_size == 0 < size or found.st_nlink != 1:
            return False
        if found.st_blocks * 512 > found.st_size + _ROUNDED:
            partial = self.open(id)
            try:
                partial.give_back()
            finally:
                partial.close()
        return True

    def remove(self, id: str) -> None:
        """Delete what arrived of an upload."""
        for name in (id, id + _BLOCKS):
            with (
                refusals(id, ours=True),
                suppress(FileNotFoundError),
                self._freeing.unnamed(self._directory, name),
            ):
                os.unlink(name, dir_fd=self._directory)
