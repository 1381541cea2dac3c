"""
What is held of an upload that nobody works on, checked before somebody goes on with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

from twisted.logger import Logger

from filesrv.server.trust import restored_digests, trusted, verified_prefix
from filesrv.store.failures import refusals
from filesrv.store.partials import Partial, Partials
from filesrv.store.registry import Registry, Unfinished
from filesrv.store.root import status_of
from filesrv.wire.endings import Ending
from filesrv.wire.errors import BadChecksum
from filesrv.wire.grammar import format_word

__all__ = ["Rechecking"]

_log = Logger()

#: How often a check is begun anew because somebody else wrote meanwhile.
_CHECKS = 3


class Rechecking:
    """Checks what is held of uploads."""

    def __init__(self, partials: Partials, registry: Registry) -> None:
        self._partials = partials
        self._registry = registry

    async def recheck(self, row: Unfinished, breathe: Callable[[], Awaitable[None]]) -> None:
        """
        Cut what is held of an upload to what is certainly as it arrived: all of it, except
        after a power cut, or when somebody else wrote into it.

        @raise BadChecksum: somebody else does so all the time.
        @raise FilesrvError: the disk failed.
        """
        for _ in range(_CHECKS):
            with refusals(row.name, ours=True):
                if self._partials.status(row.id) is None:
                    return
                partial = self._partials.open(row.id)
                try:
                    if await self._checked(row, partial, breathe):
                        return
                finally:
                    partial.close()
        raise BadChecksum("somebody else writes into what arrived")

    async def _checked(
        self, row: Unfinished, partial: Partial, breathe: Callable[[], Awaitable[None]]
    ) -> bool:
        """Whether nobody else wrote into it meanwhile."""
        certain = trusted(row, partial)
        if certain >= partial.size:
            return True
        good = await verified_prefix(row, partial, certain, breathe)
        if self._registry.find(*row.key) != row or self._registry.active(*row.key) is not None:
            return True  # It went on meanwhile, checked by somebody else.
        if partial.touched:
            return False
        _log.warn(
            "upload of {name}: {good} of {size} bytes are as they arrived",
            name=format_word(row.name),
            good=good,
            size=partial.size,
        )
        partial.truncate(good)
        partial.seal(restored_digests(partial).end())
        claim = self._registry.claim(row, lambda: None)
        version = status_of(partial.stat()).version
        self._registry.release(claim, row.ended or Ending.RESET, version=version)
        return True

    def blocks(self, row: Unfinished) -> bytes:
        """
        The digests of the blocks that are held, one after the other.

        @raise FilesrvError: the disk failed.
        """
        with refusals(row.name, ours=True):
            partial = self._partials.open(row.id)
            try:
                certain = trusted(row, partial) >= partial.size
                digests = restored_digests(partial, keep=certain)
                if certain:
                    with suppress(OSError):  # Without a seal, it is only more work to go on.
                        partial.seal(digests.end())
                return digests.blocks()
            finally:
                partial.close()
