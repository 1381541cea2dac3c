"""
The block digests of local files, computed from the bytes going by and kept for the next
run, so that whoever goes on reads one block again at most.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

from blake3 import blake3

from filesrv.transfer.digest import BLOCK_SIZE, DIGEST_SIZE, BlockDigests, digest_of_blocks

__all__ = ["Breathe", "FileDigests", "digest_of_small"]

#: Lets the reactor do other things between slices of work.
Breathe = Callable[[], Awaitable[None]]

#: Bytes that are read and hashed in one turn of the reactor: under a millisecond.
_SLICE = 1024 * 1024

#: What is read to be hashed: it stays in the cache.  Were memory taken for each piece, the
#: system would have it filled with zeros each time.
_read_into = memoryview(bytearray(256 * 1024))


def digest_of_small(data: bytes) -> str:
    """The C{blake3-4m} of a whole file of no more than one block."""
    return digest_of_blocks(blake3(data).digest() if data else b"")


class FileDigests:
    """
    The digests of an open file's first bytes.

    What is asked of it are bytes that move at that moment, or just have, so that reading
    them again comes out of the page cache.
    """

    def __init__(
        self,
        descriptor: Callable[[], int],
        kept: bytes = b"",
        keep: Callable[[int, bytes], None] = lambda offset, digests: None,
    ) -> None:
        """
        @param descriptor: gives that of the file.
        @param kept: the digests of its first blocks, from an earlier run.
        @param keep: told of digests of further blocks, and where they belong among all.
        """
        self._descriptor = descriptor
        self._keep = keep
        self._digests = BlockDigests(kept[: len(kept) // DIGEST_SIZE * DIGEST_SIZE])

    @property
    def position(self) -> int:
        """How many bytes of the file they cover."""
        return self._digests.position

    @property
    def blocks(self) -> bytes:
        """The digests of all blocks that are covered, that of the last one begun included."""
        return self._digests.blocks()

    def hexdigest(self) -> str:
        """The C{blake3-4m} of what is covered."""
        return self._digests.hexdigest()

    def advance(self, position: int) -> None:
        """
        Cover the file up to C{position}; what is covered already is not read again.

        @raise OSError: it cannot be read.
        """
        while self.position < position:
            room = _read_into[: position - self.position]
            count = os.preadv(self._descriptor(), [room], self.position)
            if not count:
                break  # It became shorter; whoever sends it notices.
            self.take(room[:count])

    def take(self, data: bytes | memoryview) -> None:
        """Cover C{data}, which are the next bytes of the file."""
        known = len(self._digests.complete)
        self._digests.update(data)
        if len(self._digests.complete) > known:
            self._keep(known, bytes(self._digests.complete[known:]))

    async def cover(self, position: int, breathe: Breathe) -> None:
        """
        Cover exactly C{position} bytes, in slices: more if it is less now, and if it is
        more, anew from the beginning of the block that C{position} is in.

        @raise OSError: it cannot be read.
        """
        if self.position > position:
            whole = position // BLOCK_SIZE * DIGEST_SIZE
            self._digests = BlockDigests(bytes(self._digests.complete[:whole]))
        while self.position < position:
            before = self.position
            self.advance(min(before + _SLICE, position))
            if self.position == before:
                break
            await breathe()
