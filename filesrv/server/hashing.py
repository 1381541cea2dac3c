"""
HASH: reading a file in slices between other events, and remembering the result until
the file changes.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Protocol

from blake3 import blake3

from filesrv.store.failures import refusals
from filesrv.store.root import OpenFile
from filesrv.transfer.digest import ALGORITHM, BlockDigests
from filesrv.wire.errors import Changed

__all__ = ["ALGORITHMS", "Hashes"]

#: Bytes of one slice: about a millisecond of hashing.
SLICE_SIZE = 1024 * 1024

#: Results that are remembered; each is a few hundred bytes.
REMEMBERED = 4096


class _Hash(Protocol):
    def update(self, data: bytes, /) -> object: ...
    def hexdigest(self) -> str: ...


#: What HASH computes, the first where none is named.
ALGORITHMS: dict[str, Callable[[], _Hash]] = {
    "sha256": hashlib.sha256,
    "blake3": blake3,
    ALGORITHM: BlockDigests,
}


class Hashes:
    """The digests of published files, each computed once for a version of its file."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], str] = OrderedDict()

    async def digest(
        self, name: str, file: OpenFile, algorithm: str, breathe: Callable[[], Awaitable[None]]
    ) -> str:
        """
        The digest of an open file, in hexadecimal.

        @param breathe: awaited between slices.
        @raise Changed: somebody wrote into the file meanwhile.
        @raise FilesrvError: it cannot be read.
        """
        key = (file.status.version, algorithm)
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        hasher = ALGORITHMS[algorithm]()
        offset = 0
        while offset < file.status.size:
            with refusals(name):
                data = os.pread(file.descriptor, SLICE_SIZE, offset)
            if not data:
                break
            hasher.update(data)
            offset += len(data)
            await breathe()
        if not file.unchanged():
            raise Changed
        self._known[key] = hasher.hexdigest()
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return self._known[key]
