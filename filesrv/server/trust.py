"""
How much of a partial file may be gone on with: all that is certainly as it arrived.

While the machine runs, what was written is there, also after the daemon was killed.
After a power cut only what was flushed is, and of the rest those blocks whose digests
agree.  The same is asked of a file that somebody else has touched.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

from filesrv.store.partials import Partial
from filesrv.store.registry import Unfinished, boot_id
from filesrv.store.root import status_of
from filesrv.transfer.digest import BLOCK_SIZE, DIGEST_SIZE, BlockDigests
from filesrv.wire.times import NANOSECONDS

__all__ = ["RECORD_EVERY", "restored_digests", "trusted", "verified_prefix"]

#: Seconds between two rows that say that an upload is going on.
RECORD_EVERY = 5.0


def trusted(row: Unfinished, found: os.stat_result) -> int:
    """
    How many bytes need no check.

    @param found: the status of the partial file.
    """
    if row.version == status_of(found).version:
        return found.st_size  # It is as the upload left it.
    if row.boot != boot_id() or not row.boot:
        return min(row.delivered, found.st_size)
    # The daemon was killed while it wrote.  A change by anybody else is a later one.
    killed_while_writing = row.ended is None
    last_write = found.st_mtime_ns / NANOSECONDS
    if killed_while_writing and last_write <= row.touched + 2 * RECORD_EVERY:
        return found.st_size
    return 0


async def verified_prefix(
    partial: Partial, certain: int, breathe: Callable[[], Awaitable[None]]
) -> int:
    """
    How many bytes of a partial file are as they arrived.

    @param certain: so many need no check; whole blocks behind them need their digest.
    @param breathe: awaited between blocks.
    @raise OSError: the disk failed.
    """
    good = certain // BLOCK_SIZE * BLOCK_SIZE
    while good + BLOCK_SIZE <= partial.size:
        index = good // BLOCK_SIZE * DIGEST_SIZE
        kept = partial.load_blocks(index + DIGEST_SIZE)[index:]
        digests = BlockDigests()
        digests.update(partial.read(good, BLOCK_SIZE))
        if bytes(digests.complete) != kept:
            break
        good += BLOCK_SIZE
        await breathe()
    return max(good, certain)


def restored_digests(partial: Partial) -> BlockDigests:
    """
    The digests of what a partial file holds: those of whole blocks as they were kept, and
    that of the block begun by reading it again.

    @raise OSError: the disk failed.
    """
    kept = partial.load_blocks(partial.size // BLOCK_SIZE * DIGEST_SIZE)
    kept = kept[: len(kept) // DIGEST_SIZE * DIGEST_SIZE]
    digests = BlockDigests(kept)
    while digests.position < partial.size:
        digests.update(partial.read(digests.position, BLOCK_SIZE))
    if partial.size:
        partial.save_blocks(len(kept), bytes(digests.complete[len(kept) :]))
    return digests
