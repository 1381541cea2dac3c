"""
A download that is not finished: C{.NAME.filesrv-part} beside the file that it will be,
and a note of which version of the server's file its bytes belong to.

Whenever this process is killed, what is on disk can be gone on with or is begun anew;
two versions are never joined.  The order makes it so: the bytes of the old version go
before the note of the new one comes, and that comes before its bytes.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from contextlib import suppress
from typing import Any

from filesrv.client.answers import FetchHead
from filesrv.client.digests import FileDigests
from filesrv.client.errors import Busy, FetchIncomplete
from filesrv.client.places import Place
from filesrv.client.state import write_whole
from filesrv.disk.flushing import Flushing
from filesrv.disk.moments import follows
from filesrv.disk.writeback import WriteBack
from filesrv.wire.names import MAX_PART
from filesrv.wire.replies import MalformedReply
from filesrv.wire.times import NANOSECONDS

__all__ = ["WITHOUT_NOTE", "PartialDownload", "PartialName", "Replacement", "open_locked"]

_SUFFIX = ".filesrv-part"
_NOTE_SUFFIX = ".json"

#: Behind the name of the partial file: the digests of its blocks.
_DIGESTS_SUFFIX = ".blocks"

#: Bytes of the name of a partial file, so that those of what is beside it have room, too.
_LONGEST = MAX_PART - max(len(_NOTE_SUFFIX + "~"), len(_DIGESTS_SUFFIX))

#: Bytes of a file up to which no note is kept: it is fetched again as fast as its note
#: is written and removed.
WITHOUT_NOTE = 256 * 1024

#: The mark is set right after the write whose second it keeps.
_SET_WITHIN = 2 * NANOSECONDS


class PartialDownload:
    """
    The partial file, open and locked, and the sink of the bytes that belong to it.

    @ivar size: bytes that are here.
    @ivar version: of what these bytes are; L{None} if there are none to go on with.
    @ivar digests: of its blocks, as far as they have been computed.
    """

    def __init__(
        self, place: Place, name: str, server: str, boot: str, verify: bool = True
    ) -> None:
        """
        @param name: what the server calls the file.
        @param boot: which boot of the machine this is; what was written in another one
            counts only as far as it was flushed.
        @param verify: whether digests are to be taken of what comes in.
        @raise Busy: another process is at it.
        @raise OSError: it cannot be opened.
        """
        self._place = place
        self._verify = verify
        self._name, self._server, self._boot = name, server, boot
        self._names = PartialName(place.leaf)
        self._path, self._note = self._names.path, self._names.note
        self._digests = self._names.digests
        self.digests = FileDigests(lambda: -1)
        self._descriptor = open_locked(place, self._path)
        self._write_back = WriteBack(self._descriptor, 0, wait=True)
        self._head: FetchHead | None = None
        self.size = 0
        self.version: str | None = None
        try:
            self._recall()
        except BaseException:
            self.close()
            raise

    def _recall(self) -> None:
        """Find out what can be gone on with."""
        note = self._read_note()
        size = os.fstat(self._descriptor).st_size
        if note.get("boot") != self._boot:
            flushed = note.get("flushed")
            size = min(size, flushed if isinstance(flushed, int) else 0)
        version, whole = note.get("version"), note.get("size")
        known = note.get("name") == self._name and isinstance(version, str) and version
        if known and isinstance(whole, int) and 0 < size <= whole:
            self.version = version
        else:
            size = 0
        as_left = self._is_as_left()
        ours = as_left or self._was_being_written()
        kept = self._read_digests() if size and ours else b""
        self.digests = FileDigests(lambda: self._descriptor, kept, self._keep_digests)
        if size and not ours:
            # After the next mark, nothing would tell that they are not of what is here.
            self._names.remove_digests(self._place.directory)
        self._truncate(size)
        if size and ours and not as_left:
            os.utime(self._descriptor)
            self._leave_mark()
            self._announce(write=False)

    def _is_as_left(self) -> bool:
        """
        Whether only this program has written into the file.  It leaves a mark in the time
        of the file with every write, which a write by anybody else destroys.  Who puts
        that time back afterwards cannot put back when it was set.
        """
        found = os.fstat(self._descriptor)
        if abs(found.st_ctime_ns - found.st_mtime_ns) > _SET_WITHIN:
            return False
        return found.st_mtime_ns % NANOSECONDS == _mark(found.st_size)

    def _leave_mark(self) -> None:
        now = os.fstat(self._descriptor).st_mtime_ns
        marked = now - now % NANOSECONDS + _mark(self.size)
        os.utime(self._descriptor, ns=(marked, marked))

    def _announce(self, write: bool) -> None:
        """
        Say by the time of the digests whether a write of ours comes at once, or nothing: a
        client that has much to receive is mostly killed within one, before its mark.
        """
        name, place = self._digests, self._place.directory
        with suppress(OSError):  # There are none, or not yet.
            if write:
                os.stat(name, dir_fd=place, follow_symlinks=False)  # See filesrv.disk.moments.
            os.utime(name, None if write else (0, 0), dir_fd=place, follow_symlinks=False)

    def _was_being_written(self) -> bool:
        """Whether nothing was done to the file since a write of ours that was announced."""
        with suppress(OSError):
            announced = os.stat(self._digests, dir_fd=self._place.directory, follow_symlinks=False)
            written = os.fstat(self._descriptor)
            # What changes the mode of all files, for one, changes only one of the two times.
            as_announced = announced.st_mtime_ns == announced.st_ctime_ns
            return as_announced and follows(written.st_ctime_ns, announced.st_ctime_ns)
        return False

    def _read_digests(self) -> bytes:
        with suppress(OSError):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self._digests, flags, dir_fd=self._place.directory)
            with os.fdopen(descriptor, "rb") as file:
                return file.read()
        return b""

    def _keep_digests(self, offset: int, digests: bytes) -> None:
        if self._head is not None and self._head.size <= WITHOUT_NOTE:
            return
        with suppress(OSError):  # They spare reading; nothing depends on them.
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self._digests, flags, 0o600, dir_fd=self._place.directory)
            with os.fdopen(descriptor, "wb") as file:
                os.pwrite(file.fileno(), digests, offset)
                os.ftruncate(file.fileno(), offset + len(digests))

    def _read_note(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self._note, flags, dir_fd=self._place.directory)
            with os.fdopen(descriptor, "rb") as file:
                note = json.load(file)
            if isinstance(note, dict):
                return note
        return {}

    def _write_note(self, head: FetchHead, flushed: int) -> None:
        note = {
            "server": self._server,
            "name": self._name,
            "version": head.version,
            "size": head.size,
            "boot": self._boot,
            "flushed": flushed,
        }
        write_whole(
            self._note,
            json.dumps(note).encode(),
            fresh=self._note + "~",
            directory=self._place.directory,
        )

    def start_over(self) -> None:
        """Forget what is here: it belongs to another version."""
        self._truncate(0)
        self._names.remove_digests(self._place.directory)
        self.version = None
        self.digests = FileDigests(lambda: self._descriptor, b"", self._keep_digests)

    def begin(self, head: FetchHead) -> PartialDownload:
        """
        Make ready for what the server announces.

        @raise MalformedReply: that does not continue what is here.
        @raise OSError: the disk failed.
        """
        if head.offset != self.size or (head.offset and head.version != self.version):
            raise MalformedReply("the server goes on with other bytes than were asked for")
        self._head = head
        if head.offset == 0:
            # Nothing is here now: what would follow an old note is of no version.
            if head.size > WITHOUT_NOTE:
                self._names.remove_digests(self._place.directory)
                self._write_note(head, 0)
            else:
                self._names.remove_notes(self._place.directory)
        self.version = head.version
        return self

    def write(self, data: bytes | memoryview) -> None:
        """
        Append.

        @raise OSError: the disk did not take all of it; L{size} says how much it took.
        """
        before = self.size
        view = memoryview(data)
        self._announce(write=True)
        while view:
            written = os.pwrite(self._descriptor, view, self.size)
            self.size += written
            view = view[written:]
        if self._verify and self.digests.position == before:
            self.digests.take(data)
        self._leave_mark()
        self._announce(write=False)
        self._write_back.grown(self.size)

    def replace(self, offset: int) -> Replacement:
        """A sink for bytes from C{offset} on that are to stand there instead."""
        return Replacement(self._descriptor, offset)

    async def publish(self, flushing: Flushing) -> None:
        """
        Give the file its name, with the server's time, all of it or not at all.

        @param flushing: puts it on disk, while others are fetched.
        @raise FetchIncomplete: it is not all here.
        @raise OSError: the disk failed.
        """
        head = self._head
        if head is None or self.size != head.size:
            raise FetchIncomplete(f"{self._place.shown} is not all here")
        if head.modified is not None:
            os.utime(self._descriptor, ns=(head.modified, head.modified))
        await flushing.flush(self._descriptor)
        directory = self._place.directory
        os.rename(self._path, self._place.leaf, src_dir_fd=directory, dst_dir_fd=directory)
        await flushing.flush(directory)
        if head.size > WITHOUT_NOTE:
            self._names.remove_notes(directory)
        self._head = None
        self.close()

    def discard(self) -> None:
        """Remove what is here, and let go."""
        with suppress(OSError):
            os.unlink(self._path, dir_fd=self._place.directory)
        self._names.remove_notes(self._place.directory)
        self._head = None
        self.close()

    def close(self, keep: bool = True) -> None:
        """
        Let go; what arrived stays.  A second call does nothing.

        @param keep: whether it is to be on disk, however long that takes.
        """
        if self._descriptor < 0:
            return
        try:
            self._leave(keep)
        finally:
            os.close(self._descriptor)
            self._descriptor = -1
            self._place.close()

    def _leave(self, keep: bool) -> None:
        if self._head is not None and self.size and self._head.size > WITHOUT_NOTE:
            # A full disk takes no note either; what is there holds until the next boot.
            with suppress(OSError):
                if keep:
                    os.fdatasync(self._descriptor)
                    self._write_note(self._head, self.size)
        elif not self.size and self.version is None:
            with suppress(OSError):
                if not os.fstat(self._descriptor).st_size and self._is_ours():
                    os.unlink(self._path, dir_fd=self._place.directory)

    def _is_ours(self) -> bool:
        now = os.stat(self._path, dir_fd=self._place.directory, follow_symlinks=False)
        return os.path.samestat(now, os.fstat(self._descriptor))

    def _truncate(self, size: int) -> None:
        self.size = size
        self._write_back.truncated(size)
        if os.fstat(self._descriptor).st_size != size:
            os.ftruncate(self._descriptor, size)
            self._leave_mark()


class Replacement:
    """Writes over what is there."""

    def __init__(self, descriptor: int, offset: int) -> None:
        self._descriptor = descriptor
        self._offset = offset

    def write(self, data: bytes | memoryview) -> None:
        """Take all of C{data}."""
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, self._offset)
            self._offset += written
            view = view[written:]


def _mark(size: int) -> int:
    """
    The nanoseconds in the time of a partial file of C{size} bytes.  The factor is a prime,
    so that neighbouring sizes get marks far from each other.
    """
    return (size * 982_451_653 + 1) % NANOSECONDS


class PartialName:
    """
    How the partial file of a name is called, and what is kept beside it.

    @ivar note: of which version its bytes are.
    @ivar digests: those of its blocks.
    """

    def __init__(self, leaf: str) -> None:
        self.path = _part_name(leaf)
        self.note = self.path + _NOTE_SUFFIX
        self.digests = self.path + _DIGESTS_SUFFIX

    def remove_notes(self, directory: int) -> None:
        """Remove all but the file itself: first what says whose bytes these are."""
        with suppress(FileNotFoundError):
            os.unlink(self.note, dir_fd=directory)
        self.remove_digests(directory)

    def remove_digests(self, directory: int) -> None:
        """Remove the digests."""
        with suppress(FileNotFoundError):
            os.unlink(self.digests, dir_fd=directory)


def open_locked(place: Place, path: str, more: int = 0) -> int:
    """
    Open a partial file, and keep others from it.

    @param more: flags of C{open}.
    @raise Busy: another process is at it.
    @raise OSError: it cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | more
    while True:
        descriptor = os.open(path, flags, 0o666, dir_fd=place.directory)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held the lock until now may have given the file its real name.
            now = os.stat(path, dir_fd=place.directory, follow_symlinks=False)
            if os.path.samestat(now, os.fstat(descriptor)):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise Busy(f"another download of {place.shown} is running") from None
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _part_name(leaf: str) -> str:
    """The name of the partial file; where that is too long for one, a digest stands in."""
    name = f".{leaf}{_SUFFIX}"
    if len(os.fsencode(name)) <= _LONGEST:
        return name
    digest = hashlib.sha256(os.fsencode(leaf)).hexdigest()[:16]
    kept = os.fsencode(leaf)[: _LONGEST - len(f".~{digest}{_SUFFIX}")].decode("utf-8", "ignore")
    return f".{kept}~{digest}{_SUFFIX}"
