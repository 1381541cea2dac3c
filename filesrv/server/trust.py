"""
How much of a partial file may be gone on with: all that is certainly as it arrived.

While the machine runs, what was written is there, also after the daemon was killed, and
the seal of the partial file, or the mark of its last write, tells that nobody else has
touched it.  After a power cut only what was flushed is there, and of the rest those blocks
whose digests agree.  Where there is neither seal nor mark, the digests of all blocks are
asked: somebody wrote into the file, or the daemon was killed just between a write and its
seal, or the power cut took what was sealed last.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from filesrv.store.partials import Partial
from filesrv.store.registry import Unfinished, boot_id
from filesrv.store.root import status_of
from filesrv.transfer.digest import BLOCK_SIZE, DIGEST_SIZE, BlockDigests

__all__ = ["RECORD_EVERY", "restored_digests", "trusted", "verified_prefix"]

#: Seconds between two rows that say that an upload is going on.
RECORD_EVERY = 5.0


def trusted(row: Unfinished, partial: Partial) -> int:
    """
    How many bytes of what is held of an upload need no check.

    @raise OSError: the disk failed.
    """
    if partial.sealed() or partial.marked():
        return partial.size if _same_boot(row) else _flushed(row, partial)
    if not _same_boot(row):
        return 0
    # Where the disk had no room for the seal.  Only of whole blocks digests are kept.
    as_it_was_left = row.version == status_of(partial.stat()).version
    return partial.size if as_it_was_left and partial.size < BLOCK_SIZE else 0


def _same_boot(row: Unfinished) -> bool:
    return bool(row.boot) and row.boot == boot_id()


def _flushed(row: Unfinished, partial: Partial) -> int:
    return min(row.delivered, partial.size)


async def verified_prefix(
    row: Unfinished, partial: Partial, certain: int, breathe: Callable[[], Awaitable[None]]
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
    end = max(good + _verified_end(partial, good), certain)
    flushed = 0 if _same_boot(row) else _flushed(row, partial)
    if good <= flushed < good + BLOCK_SIZE and partial.note()[0] != flushed:
        # Of what was flushed of the block begun, a later note tells nothing.
        end = max(end, flushed)
    return end


def _verified_end(partial: Partial, good: int) -> int:
    """How many bytes behind C{good}, less than a block, are as they were last sealed."""
    size, digest = partial.note()
    if not good < size < min(good + BLOCK_SIZE, partial.size + 1):
        return 0
    digests = BlockDigests()
    digests.update(partial.read(good, size - good))
    return size - good if digests.end() == digest else 0


def restored_digests(partial: Partial, keep: bool = True) -> BlockDigests:
    """
    The digests of what a partial file holds: those of whole blocks as they were kept, and
    that of the block begun by reading it again.

    @param keep: whether those that were not kept are to be from now on.
    @raise OSError: the disk failed.
    """
    kept = partial.load_blocks(partial.size // BLOCK_SIZE * DIGEST_SIZE)
    kept = kept[: len(kept) // DIGEST_SIZE * DIGEST_SIZE]
    digests = BlockDigests(kept)
    while digests.position < partial.size:
        digests.update(partial.read(digests.position, BLOCK_SIZE))
    if keep and partial.size:
        partial.save_blocks(len(kept), bytes(digests.complete[len(kept) :]))
    return digests
