"""
HASH: reading a file in slices between other events, and remembering the result until
the file changes.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

from blake3 import blake3

from filesrv.store.failures import refusals
from filesrv.store.known import KnownDigests
from filesrv.store.root import FileStatus, OpenFile
from filesrv.transfer.digest import ALGORITHM, BlockDigests, digest_of_blocks
from filesrv.wire.errors import Changed, FilesrvError

__all__ = ["ALGORITHMS", "Hashes"]

#: Bytes of one slice: about a millisecond of hashing.
SLICE_SIZE = 1024 * 1024

#: Results that are remembered; each is a few hundred bytes.
REMEMBERED = 4096


class _Hash(Protocol):
    def update(self, data: bytes, /) -> object: ...
    def hexdigest(self) -> str: ...


_PLAIN: dict[str, Callable[[], _Hash]] = {"sha256": hashlib.sha256, "blake3": blake3}

#: What HASH computes, the first where none is named.
ALGORITHMS = (*_PLAIN, ALGORITHM)

Breathe = Callable[[], Awaitable[None]]


class Hashes:
    """
    The digests of published files, each computed once for a version of its file.

    @ivar known: the block digests, which outlive the process.
    """

    def __init__(self, known: KnownDigests) -> None:
        self.known = known
        self._recent: OrderedDict[tuple[str, str], str] = OrderedDict()

    def know(self, status: FileStatus, blocks: bytes) -> None:
        """Keep the block digests of a file that was just published."""
        with suppress(FilesrvError):  # A disk too full for them: they are computed anew.
            self.known.keep(status.version, status.size, blocks)

    def at_once(self, name: str, file: OpenFile, content: bytes | None = None) -> str | None:
        """
        The C{blake3-4m} of an open file, if it is known or computed in no time; L{None} if
        that is worth asking for.

        @param content: all of it, if it has been read already.
        @raise FilesrvError: it cannot be read.
        """
        found = self.known.find(file.status.version, file.status.size)
        if found is None and file.status.size <= SLICE_SIZE:
            data = content
            if data is None:
                with refusals(name):
                    data = os.pread(file.descriptor, file.status.size, 0)
            digests = BlockDigests()
            digests.update(data)
            found = digests.blocks()
            if len(data) == file.status.size and file.unchanged():
                self.know(file.status, found)
        return None if found is None else digest_of_blocks(found)

    async def digest(self, name: str, file: OpenFile, algorithm: str, breathe: Breathe) -> str:
        """
        The digest of an open file, in hexadecimal.

        @param breathe: awaited between slices.
        @raise Changed: somebody wrote into the file meanwhile.
        @raise FilesrvError: it cannot be read.
        """
        if algorithm == ALGORITHM:
            return digest_of_blocks(await self.blocks(name, file, breathe))
        key = (file.status.version, algorithm)
        if key not in self._recent:
            hasher = _PLAIN[algorithm]()
            await _read(name, file, hasher.update, breathe)
            self._recent[key] = hasher.hexdigest()
        self._recent.move_to_end(key)
        if len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)
        return self._recent[key]

    async def blocks(self, name: str, file: OpenFile, breathe: Breathe) -> bytes:
        """
        The digests of an open file's blocks, one after the other; see L{digest}.
        """
        found = self.known.find(file.status.version, file.status.size)
        if found is None:
            digests = BlockDigests()
            await _read(name, file, digests.update, breathe)
            found = digests.blocks()
            self.know(file.status, found)
        return found


async def _read(
    name: str, file: OpenFile, update: Callable[[bytes], object], breathe: Breathe
) -> None:
    offset = 0
    while offset < file.status.size:
        with refusals(name):
            data = os.pread(file.descriptor, SLICE_SIZE, offset)
        if not data:
            break
        update(data)
        offset += len(data)
        await breathe()
    with refusals(name):
        unchanged = file.unchanged()
    if not unchanged:
        raise Changed
