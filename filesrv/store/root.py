"""
The only way from a name to a place.

Names are walked descriptor by descriptor from the root and no symbolic link is
followed, so that no name, and no race with whoever renames directories meanwhile,
leads out of the root (openat(2), O_NOFOLLOW).
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple

from twisted.logger import Logger

from filesrv.store.failures import close, refusals, writing
from filesrv.store.freeing import Freeing
from filesrv.store.walk import Walk
from filesrv.wire.errors import BadName, Exists, Internal, NotFound
from filesrv.wire.grammar import format_word
from filesrv.wire.names import check_directory, check_name

__all__ = ["Entry", "FileStatus", "OpenFile", "Root", "status_of"]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

#: O_NONBLOCK so that a FIFO under the root cannot hold the process in open(2).
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

#: How often a parent that vanished between two calls is made again before giving up:
#: each time, somebody else must have removed it just then.
_PARENT_TRIES = 16

#: Inode, time modified, time changed and size.
_VERSION = struct.Struct("=QqqQ")

_log = Logger()


class FileStatus(NamedTuple):
    """
    What STAT says of a published file.

    @ivar modified: nanoseconds since the epoch.
    @ivar version: changes whenever the content may have.
    """

    size: int
    modified: int
    version: str


@dataclass(frozen=True)
class Entry:
    """One line of LIST; C{size} is L{None} for a directory."""

    name: str
    size: int | None
    modified: int


class OpenFile:
    """A published file, held open: one version of it to its end, whatever its name does."""

    def __init__(self, descriptor: int, status: FileStatus) -> None:
        self.descriptor = descriptor
        self.status = status

    def unchanged(self) -> bool:
        """Whether nobody wrote into this very file since it was opened."""
        now = os.fstat(self.descriptor)
        return (now.st_size, now.st_mtime_ns) == (self.status.size, self.status.modified)

    def close(self) -> None:
        """Let go of the file."""
        close(self.descriptor)

    def __enter__(self) -> OpenFile:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def status_of(found: os.stat_result) -> FileStatus:
    """
    The status of a regular file.

    The version is made of what the kernel changes with every write, rename-over and
    replacement: inode, both times, and the size.
    """
    digest = hashlib.blake2s(
        _VERSION.pack(found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size),
        digest_size=8,
    )
    return FileStatus(found.st_size, found.st_mtime_ns, f"{digest.hexdigest()}-{found.st_size}")


class Root:
    """
    The directory whose files are served.

    @ivar durable: whether a change is on disk before a call returns.
    @ivar freeing: what becomes of large files that lose their name.
    """

    def __init__(self, path: str, durable: bool = True, freeing: Freeing | None = None) -> None:
        """
        @raise OSError: C{path} is no directory that can be read.
        """
        self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.durable = durable
        self.freeing = Freeing() if freeing is None else freeing
        self._path = path
        self._itself = os.fstat(self.descriptor)
        self._walk = Walk(self.descriptor, self._itself)

    def close(self) -> None:
        """Let go of the directory."""
        self._walk.rest()
        close(self.descriptor)

    def open(self, name: str) -> OpenFile:
        """
        @raise NotFound: no regular file of that name.
        """
        with refusals(name):
            parent, leaf = self._parent(name)
            descriptor = os.open(leaf, _FILE, dir_fd=parent)
            try:
                found = os.fstat(descriptor)
                if not stat.S_ISREG(found.st_mode):
                    raise _not_a_file(name, found)
            except BaseException:
                close(descriptor)
                raise
        return OpenFile(descriptor, status_of(found))

    def status(self, name: str) -> FileStatus:
        """
        @raise NotFound: no regular file of that name.
        """
        with refusals(name):
            parent, leaf = self._parent(name)
            found = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode):
            raise _not_a_file(name, found)
        return status_of(found)

    def list(self, name: str) -> Iterator[Entry]:
        """
        What is in a directory, in no order; a file's name gives that file.

        @param name: as LIST writes it, with or without a slash; C{""} is the root.
        @raise NotFound: neither a directory nor a file has that name.
        """
        if name and not name.endswith("/"):
            with refusals(name):
                parent, leaf = self._parent(name)
                found = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
            if stat.S_ISREG(found.st_mode):
                yield Entry(name, found.st_size, found.st_mtime_ns)
                return
        directory = check_directory(name)
        with (
            refusals(name),
            self._directory(directory) as descriptor,
            os.scandir(descriptor) as entries,
        ):
            for entry in entries:
                listed = _listed(directory, entry)
                if listed is not None:
                    yield listed

    def make_directory(self, name: str) -> None:
        """
        Make a directory, and those that it is in, where they are missing.

        @raise Exists: something else has the name.
        """
        with writing(name), self._directory(check_name(name), make=True):
            pass

    def delete(self, name: str) -> None:
        """
        Remove a file, or a directory that is empty.

        @raise NotFound: nothing has that name.
        @raise Exists: the directory is not empty.
        """
        with refusals(name):
            parent, leaf = self._parent(_without_slash(name))
            found = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                os.rmdir(leaf, dir_fd=parent)
            elif name.endswith("/"):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            else:
                with self.freeing.unnamed(parent, leaf):
                    os.unlink(leaf, dir_fd=parent)
            self._flush(parent)

    def rename(self, old: str, new: str) -> None:
        """
        Give a file or directory another name; a file of the new name is replaced.

        @raise NotFound: nothing has the old name.
        @raise Exists: the new name is a directory's, or leads through a file.
        """
        directories = old.endswith("/") or new.endswith("/")
        old, new = _without_slash(old), check_name(_without_slash(new))
        with refusals(old), self._own_parent(old) as (source, leaf):
            found = os.stat(leaf, dir_fd=source, follow_symlinks=False)
            if directories and not stat.S_ISDIR(found.st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            with writing(new):
                target, new_leaf = self._parent(new, make=True)
                if _holds_other_directory(target, new_leaf, found):
                    raise Exists(f"{format_word(new)} is a directory")
                with self.freeing.unnamed(target, new_leaf):
                    os.rename(leaf, new_leaf, src_dir_fd=source, dst_dir_fd=target)
                self._flush(target)
            self._flush(source)

    def publish(self, directory: int, leaf: str, name: str, replace: bool) -> None:
        """
        Move a finished file to its name in one step.

        @param directory: where the file is now, under the name C{leaf}.
        @param replace: whether a file of that name makes way.
        @raise Exists: it does not, or is a directory.
        """
        with writing(name):
            for tries_left in reversed(range(_PARENT_TRIES)):
                parent, new_leaf = self._parent(name, make=True)
                try:
                    with self.freeing.unnamed(parent, new_leaf):
                        _move(directory, leaf, parent, new_leaf, replace)
                except FileNotFoundError:
                    if not _is_there(directory, leaf):
                        raise Internal("what arrived has vanished") from None
                    if tries_left:  # The parent was removed after it was opened.
                        continue
                    raise
                self._flush(parent)
                return

    def check_target(self, name: str, replace: bool) -> None:
        """
        Refuse early what L{publish} would refuse in the end.

        @raise Exists: a directory has the name, a file is among its parents, or a file
            has the name and is not to be replaced.
        """
        with writing(name):
            try:
                parent, leaf = self._parent(name)
                if self._walk.device != self._itself.st_dev:
                    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
                found = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
            except FileNotFoundError:
                return
        if stat.S_ISDIR(found.st_mode):
            raise Exists(f"{format_word(name)} is a directory")
        if not replace:
            raise Exists(f"{format_word(name)} is there already")

    def check_present(self, name: str) -> None:
        """
        @raise NotFound: nothing has that name.
        """
        with refusals(name):
            parent, leaf = self._parent(_without_slash(name))
            os.stat(leaf, dir_fd=parent, follow_symlinks=False)

    def _parent(self, name: str, make: bool = False) -> tuple[int, str]:
        """
        The descriptor of the directory that holds C{name}, until any other name is walked,
        and the last part.
        """
        self._check_there()
        directory, _, leaf = check_name(name).rpartition("/")
        return self._walk.to(directory, self._make_step if make else self._step), leaf

    @contextmanager
    def _own_parent(self, name: str) -> Iterator[tuple[int, str]]:
        """The same for as long as the block takes, whatever else is walked."""
        directory, _, leaf = check_name(name).rpartition("/")
        with self._directory(directory) as descriptor:
            yield descriptor, leaf

    @contextmanager
    def _directory(self, directory: str, make: bool = False) -> Iterator[int]:
        self._check_there()
        if not directory:  # Nothing to open, of which there may be no more.
            yield self.descriptor
            return
        walk = Walk(self.descriptor, self._itself)
        try:
            yield walk.to(directory, self._make_step if make else self._step)
        finally:
            walk.rest()

    def rest(self) -> None:
        """Hold no directory open but the root, which could not be unmounted, for instance."""
        self._walk.rest()

    @staticmethod
    def _step(directory: int, part: str) -> int:
        return os.open(part, _DIRECTORY, dir_fd=directory)

    def _make_step(self, directory: int, part: str) -> int:
        """Open the directory C{part}; make it where it is missing."""
        for _ in range(_PARENT_TRIES):
            try:
                return self._step(directory, part)
            except FileNotFoundError:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=directory)
                    self._flush(directory)
        return self._step(directory, part)

    def _check_there(self) -> None:
        """
        Keep from working on in a directory that was removed or unmounted under us: what
        came would be nowhere, and what is there would be missed.

        @raise Internal: it was.
        """
        try:
            there = os.path.samestat(os.stat(self._path), self._itself)
        except (FileNotFoundError, NotADirectoryError):
            there = False
        if not there:
            _log.error("{path} is not what it was when this daemon started", path=self._path)
            raise Internal("the directory of the server's files is gone")

    def _flush(self, directory: int) -> None:
        if self.durable:
            os.fsync(directory)


def _move(source: int, leaf: str, target: int, new_leaf: str, replace: bool) -> None:
    if replace:
        os.rename(leaf, new_leaf, src_dir_fd=source, dst_dir_fd=target)
        return
    # link(2) never replaces, on any file system; renameat2 is not in Python.
    os.link(leaf, new_leaf, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
    try:
        os.unlink(leaf, dir_fd=source)
    except OSError:
        # A partial file that is also a published one must never be gone on with.
        os.unlink(new_leaf, dir_fd=target)
        raise


def _is_there(parent: int, leaf: str) -> bool:
    try:
        os.stat(leaf, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _holds_other_directory(parent: int, leaf: str, than: os.stat_result) -> bool:
    """Whether a directory has the name, which rename(2) would replace if it is empty."""
    try:
        found = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and not os.path.samestat(found, than)


def _without_slash(name: str) -> str:
    return name[:-1] if name.endswith("/") else name


def _not_a_file(name: str, found: os.stat_result) -> NotFound:
    if stat.S_ISDIR(found.st_mode):
        return NotFound(f"{format_word(name)} is a directory; LIST shows what is in it")
    return NotFound(f"there is no file {format_word(name)}")


def _listed(directory: str, entry: os.DirEntry[str]) -> Entry | None:
    """L{None} for what no name reaches: links, devices, our own state, names not UTF-8."""
    try:
        name = check_name(f"{directory}/{entry.name}" if directory else entry.name)
        found = entry.stat(follow_symlinks=False)
    except (BadName, FileNotFoundError):
        return None
    if stat.S_ISDIR(found.st_mode):
        return Entry(f"{name}/", None, found.st_mtime_ns)
    return Entry(name, found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None
