"""
How many bytes are kept, of whom, and whether there may be more.

An unfinished upload counts with all that it was announced to become while it goes on, and
with what is here when it does not: so whoever may begin may also end, whatever others begin
meanwhile.  What is published counts for the client that published it last.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from math import inf

from filesrv.server.limits import Limits
from filesrv.store.owners import Owned, Owners
from filesrv.store.root import Root
from filesrv.wire.errors import NotFound, QuotaExceeded, TooLarge
from filesrv.wire.grammar import MAX_NUMBER
from filesrv.wire.names import STATE_DIRECTORY

__all__ = ["Quota"]


@dataclass
class _Kept:
    """Of one client, or of all: unfinished uploads and their bytes, and published bytes."""

    uploads: int = 0
    unfinished: int = 0
    published: int = 0

    def __bool__(self) -> bool:
        return bool(self.uploads or self.unfinished or self.published)


class Quota:
    """What is kept under one root."""

    def __init__(self, limits: Limits, root: Root, owners: Owners | None) -> None:
        """
        @param owners: of the published files, where those are counted by client.
        """
        self._limits = limits
        self._root = root
        self._owners = owners
        self._all = _Kept()
        self._clients: dict[str, _Kept] = {}
        self._charges: dict[str, tuple[str, int]] = {}

    @property
    def _counts_files(self) -> bool:
        return self._owners is not None or self._limits.quota != inf

    def close(self) -> None:
        """Let go of the files."""
        if self._owners is not None:
            self._owners.close()

    def measure(self, path: str) -> None:
        """
        On start: look at all files, where they count.

        @param path: of the root.
        @raise OSError: they cannot be read.
        """
        if not self._counts_files:
            return
        owned = {} if self._owners is None else {each.name: each for each in self._owners.all()}
        for name, size in _files(path):
            owner = owned.pop(name, None)
            self._count_file(None if owner is None else owner.client, size)
            if self._owners is not None and owner is not None and owner.size != size:
                self._owners.keep(Owned(name, owner.client, size))
        if self._owners is not None:
            for name in owned:  # removed by somebody else
                self._owners.forget(name)

    # Unfinished uploads.

    def check_size(self, size: int) -> None:
        """
        @raise TooLarge: no file may have so many bytes.
        """
        largest = min(self._limits.upload_size, MAX_NUMBER)
        if size > largest:
            raise TooLarge(f"a file has at most {largest} bytes", limit=largest)

    def check(self, client: str, size: int, instead_of: str | None) -> None:
        """
        @param size: bytes of the whole file.
        @param instead_of: the id of the upload that it goes on with, or takes the place of.
        @raise QuotaExceeded: the client, or the server, would keep too much.
        """
        limits, mine = self._limits, self._clients.get(client) or _Kept()
        uploads, more = (1, size)
        if instead_of in self._charges:
            uploads, more = 0, size - self._charges[instead_of][1]
        unfinished = mine.unfinished + more
        for amount, limit, words in (
            (mine.uploads + uploads, limits.unfinished_per_client, "unfinished uploads"),
            (unfinished, limits.unfinished_bytes_per_client, "bytes of unfinished uploads"),
            (unfinished + mine.published, limits.quota_per_client, "bytes"),
        ):
            if amount > limit:
                raise QuotaExceeded(f"you may have {limit} {words} here", limit=limit)
        if self._all.unfinished + self._all.published + more > limits.quota:
            raise QuotaExceeded(f"the server keeps {limits.quota} bytes", limit=limits.quota)

    def charge(self, id: str, client: str, size: int) -> None:
        """An unfinished upload counts for so many bytes from here on."""
        self.discharge(id)
        self._charges[id] = (client, size)
        self._add(client, _Kept(1, size))

    def discharge(self, id: str) -> None:
        """An unfinished upload is published, or gone."""
        charge = self._charges.pop(id, None)
        if charge is not None:
            client, size = charge
            self._add(client, _Kept(-1, -size))

    # Published files.

    def losing(self, name: str) -> AbstractContextManager[None]:
        """Around what takes the file of that name away, if there is one."""
        return self._losing(name) if self._counts_files else nullcontext()

    @contextmanager
    def _losing(self, name: str) -> Iterator[None]:
        lost = self._size(name)
        yield
        if lost is not None:
            owner = None if self._owners is None else self._owners.find(name)
            if owner is None or self._owners is None:
                self._count_file(None, -lost)
            else:
                self._count_file(owner.client, -owner.size)
                self._owners.forget(name)

    def published(self, name: str, client: str, size: int) -> None:
        """An upload has become a file."""
        if self._counts_files:
            self._count_file(client if self._owners is not None else None, size)
        if self._owners is not None:
            self._owners.keep(Owned(name, client, size))

    def renamed(self, old: str, new: str) -> None:
        """A file or directory has another name, and is still whose it was."""
        if self._owners is not None:
            self._owners.rename(old, new)

    def _size(self, name: str) -> int | None:
        try:
            return self._root.status(name).size
        except NotFound:
            return None

    def _count_file(self, client: str | None, size: int) -> None:
        if client is None:
            self._all.published += size
        else:
            self._add(client, _Kept(published=size))

    def _add(self, client: str, more: _Kept) -> None:
        mine = self._clients.setdefault(client, _Kept())
        for kept in (self._all, mine):
            kept.uploads += more.uploads
            kept.unfinished += more.unfinished
            kept.published += more.published
        if not mine:
            del self._clients[client]


def _files(path: str) -> Iterator[tuple[str, int]]:
    """Name and size of every file under the root but our own; no link is followed."""
    for directory, directories, files in os.walk(path):
        below = os.path.relpath(directory, path)
        if below == ".":
            directories[:] = [name for name in directories if name != STATE_DIRECTORY]
        for leaf in files:
            with suppress(FileNotFoundError):
                size = os.lstat(os.path.join(directory, leaf)).st_size
                yield (leaf if below == "." else f"{below}/{leaf}"), size
