"""
C{blake3-4m}: a digest that a resumed transfer can go on with, block by block.

The digest of a file is BLAKE3 over the concatenated BLAKE3 digests of its consecutive
4 MiB blocks.  Whoever keeps the block digests can go on hashing after any break by
reading one block again at most, and find a difference without sending the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from blake3 import blake3

__all__ = [
    "ALGORITHM",
    "BLOCK_SIZE",
    "DIGEST_SIZE",
    "BlockDigests",
    "differing_blocks",
    "digest_of_blocks",
    "split_digests",
]

#: The name on the wire.
ALGORITHM = "blake3-4m"

#: Bytes of a block: large enough that the digests of 1 TiB fit in 8 MiB, small enough
#: that a block is read, or sent again, in a blink.
BLOCK_SIZE = 4 * 1024 * 1024

#: Bytes of one digest.
DIGEST_SIZE = 32


class BlockDigests:
    """
    The digests of a stream's blocks, computed from the bytes going by.

    @ivar complete: the digests of the blocks that are whole, one after the other.
    """

    def __init__(self, complete: bytes = b"") -> None:
        """
        @param complete: the digests of the blocks before the first byte that will come,
            where a transfer goes on; the bytes of the block begun are to be fed again.
        """
        self.complete = bytearray(complete)
        self._block = blake3()
        self._room = BLOCK_SIZE

    @property
    def position(self) -> int:
        """How many bytes of the stream the digests cover."""
        return len(self.complete) // DIGEST_SIZE * BLOCK_SIZE + BLOCK_SIZE - self._room

    def update(self, data: bytes | memoryview) -> None:
        """Take the next bytes of the stream."""
        if len(data) < self._room:
            self._block.update(data)
            self._room -= len(data)
            return
        view = memoryview(data)
        while len(view) >= self._room:
            self._block.update(view[: self._room])
            view = view[self._room :]
            self.complete += self._block.digest()
            self._block = blake3()
            self._room = BLOCK_SIZE
        self._block.update(view)
        self._room -= len(view)

    def end(self) -> bytes:
        """The digest of the block begun, of nothing where none is."""
        return self._block.digest()

    def blocks(self) -> bytes:
        """The digests of every block so far, that of the block begun at the end."""
        begun = b"" if self._room == BLOCK_SIZE else self._block.digest()
        return bytes(self.complete) + begun

    def hexdigest(self) -> str:
        """The C{blake3-4m} of all bytes so far, in hexadecimal."""
        return digest_of_blocks(self.blocks())


def digest_of_blocks(blocks: bytes) -> str:
    """The C{blake3-4m} of a file, from the concatenated digests of its blocks."""
    return blake3(blocks).hexdigest()


def split_digests(blocks: bytes) -> Iterator[bytes]:
    """The single digests of a concatenation."""
    for start in range(0, len(blocks), DIGEST_SIZE):
        yield blocks[start : start + DIGEST_SIZE]


def differing_blocks(ours: bytes, theirs: bytes) -> list[int]:
    """The numbers, from 0, of the blocks whose digests are not the same on both sides."""
    pairs = zip_longest(split_digests(ours), split_digests(theirs))
    return [number for number, (one, other) in enumerate(pairs) if one != other]
