"""
A disk that remembers what was flushed, and what it looks like after a power cut.

The files are real ones.  What the store calls is watched: which bytes of a file were
flushed, and which names of a directory.  After a cut, what was not flushed may be there or
not, in any mixture that a file system could leave: bytes as they were before, as they
were written, or zeros; the size that was, or is; a name without its file, or the other way
round.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from filesrv.store.database import Database

__all__ = ["Disk"]

PAGE = 4096

_STATE = ".filesrv"


@dataclass
class _Node:
    """
    A file or directory.

    @ivar descriptor: keeps it, and its number, also when it has lost its name.
    @ivar flushed: the bytes that are on disk for certain; of a directory L{None}.
    """

    descriptor: int
    flushed: bytes | None


@dataclass(frozen=True)
class _Naming:
    """
    A change of a directory that was not flushed: C{place} is C{node} from now on, or
    nothing.  Those of one C{rename} have the same number.
    """

    number: int
    place: str
    node: int | None


class Disk:
    """
    What is under a root, as the store changes it.

    @ivar on_call: called before each change and each flush.
    """

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.on_call: Callable[[], None] = lambda: None
        self._nodes: dict[int, _Node] = {}
        self._names: dict[str, int] = {}
        self._pending: list[_Naming] = []
        self._number = 0
        for place in sorted(root.rglob("*")):
            if place.suffix not in (".sqlite", ".sqlite-wal", ".sqlite-shm"):
                self._names[self._relative(str(place))] = self._know(str(place), True)
        self._flushed_log = self._log()
        patch.setattr("filesrv.store.partials.os", self)
        patch.setattr("filesrv.store.root.os", self)
        patch.setattr(Database, "write", self._write_row(Database.write))

    def close(self) -> None:
        """Let go of all files."""
        for node in self._nodes.values():
            os.close(node.descriptor)

    def cut(self, target: Path, random: Random) -> None:
        """Pull the plug, and build what is there when it comes back."""
        names = dict(self._names)
        for naming in self._survivors(random):
            if naming.node is None:
                names.pop(naming.place, None)
            else:
                names[naming.place] = naming.node
        target.mkdir()
        (target / _STATE).mkdir()
        first: dict[int, Path] = {}
        for name, node in sorted(names.items()):
            if (target / name).parent.is_dir():  # Else it never came to be.
                self._make(target / name, node, first, random)
        for database in (self.root / _STATE).glob("*.sqlite"):
            (target / _STATE / database.name).write_bytes(database.read_bytes())
        wal = _torn(self._flushed_log, self._log(), random)
        (target / _STATE / "registry.sqlite-wal").write_bytes(wal)

    def _make(self, place: Path, number: int, first: dict[int, Path], random: Random) -> None:
        node = self._nodes[number]
        if node.flushed is None:
            place.mkdir(exist_ok=True)
        elif number in first:
            place.hardlink_to(first[number])
        else:
            now = os.pread(node.descriptor, os.fstat(node.descriptor).st_size, 0)
            place.write_bytes(_fallen(node.flushed, now, random))
            first[number] = place

    # What may be left.

    def _survivors(self, random: Random) -> Iterator[_Naming]:
        """Of the names that were not flushed, those that are there all the same."""
        numbers = sorted({naming.number for naming in self._pending})
        kept = numbers[: random.randint(0, len(numbers))]
        journaled = random.random() < 0.5
        for naming in self._pending:
            if naming.number in kept if journaled else random.random() < 0.5:
                yield naming

    # What is called in the place of "os".

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, name: str, flags: int, mode: int = 0o777, *, dir_fd: int) -> int:
        self.on_call()
        descriptor = os.open(name, flags, mode, dir_fd=dir_fd)
        place = self._place(name, dir_fd)
        if flags & os.O_CREAT and self._current(place) is None:
            self._name({place: self._know(f"/proc/self/fd/{descriptor}", False)})
        return descriptor

    def pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        self.on_call()
        return os.pwrite(descriptor, data, offset)

    def ftruncate(self, descriptor: int, size: int) -> None:
        self.on_call()
        os.ftruncate(descriptor, size)

    def fdatasync(self, descriptor: int) -> None:
        self.on_call()
        found = os.fstat(descriptor)
        self._nodes[found.st_ino].flushed = os.pread(descriptor, found.st_size, 0)

    def fsync(self, directory: int) -> None:
        self.on_call()
        flushed = self._relative(os.readlink(f"/proc/self/fd/{directory}"))
        for naming in self._pending:
            if os.path.dirname(naming.place) == flushed:
                if naming.node is None:
                    self._names.pop(naming.place, None)
                else:
                    self._names[naming.place] = naming.node
        self._pending = [n for n in self._pending if os.path.dirname(n.place) != flushed]

    def rename(self, old: str, new: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        self.on_call()
        before, after = self._place(old, src_dir_fd), self._place(new, dst_dir_fd)
        os.rename(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        if before != after:
            self._name({after: self._current(before), before: None})

    def link(
        self, old: str, new: str, *, src_dir_fd: int, dst_dir_fd: int, follow_symlinks: bool
    ) -> None:
        self.on_call()
        os.link(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, follow_symlinks=False)
        self._name({self._place(new, dst_dir_fd): self._current(self._place(old, src_dir_fd))})

    def unlink(self, name: str, *, dir_fd: int) -> None:
        self.on_call()
        os.unlink(name, dir_fd=dir_fd)
        self._name({self._place(name, dir_fd): None})

    def mkdir(self, name: str, *, dir_fd: int) -> None:
        self.on_call()
        os.mkdir(name, dir_fd=dir_fd)
        place = self._place(name, dir_fd)
        self._name({place: self._know(str(self.root / place), False)})

    def _write_row(self, write: Callable[..., None]) -> Callable[..., None]:
        def watched(
            database: Database, statement: str, *values: object, durable: bool = False
        ) -> None:
            self.on_call()
            write(database, statement, *values, durable=durable)
            if durable:
                self._flushed_log = self._log()

        return watched

    # What is where.

    def _know(self, path: str, flushed: bool) -> int:
        """A node that comes to be; its number."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        found = os.fstat(descriptor)
        if os.path.isdir(path):
            self._nodes[found.st_ino] = _Node(descriptor, None)
        else:
            content = os.pread(descriptor, found.st_size, 0) if flushed else b""
            self._nodes[found.st_ino] = _Node(descriptor, content)
        return found.st_ino

    def _name(self, names: dict[str, int | None]) -> None:
        self._number += 1
        self._pending += [_Naming(self._number, place, node) for place, node in names.items()]

    def _current(self, place: str) -> int | None:
        """Which node has a name, for those who look now."""
        for naming in reversed(self._pending):
            if naming.place == place:
                return naming.node
        return self._names.get(place)

    def _place(self, name: str, directory: int) -> str:
        return self._relative(os.readlink(f"/proc/self/fd/{directory}") + "/" + name)

    def _relative(self, path: str) -> str:
        return "" if path == str(self.root) else os.path.relpath(path, self.root)

    def _log(self) -> bytes:
        path = self.root / _STATE / "registry.sqlite-wal"
        return path.read_bytes() if path.exists() else b""


def _fallen(before: bytes, now: bytes, random: Random) -> bytes:
    """What may be there of a file."""
    kind = random.choice(("before", "now", "zeros", "cut", "torn"))
    if kind == "cut":
        least, most = sorted((len(before), len(now)))
        return now[: random.randint(least, most)]
    if kind == "zeros":
        return _torn(before, before[: len(now)].ljust(len(now), b"\0"), random)
    return {"before": before, "now": now}.get(kind) or _torn(before, now, random)


def _torn(before: bytes, now: bytes, random: Random) -> bytes:
    """
    Page by page as it is, or as it was: zeros, where there was nothing.  Perhaps shorter.
    """
    if random.random() < 0.3:
        return now if random.random() < 0.5 else before
    pages = []
    for start in range(0, len(now), PAGE):
        new, old = now[start : start + PAGE], before[start : start + PAGE]
        pages.append(random.choice((new, old.ljust(len(new), b"\0"))))
    torn = b"".join(pages)
    return torn if random.random() < 0.5 else torn[: max(len(before), len(now) // 2)]
