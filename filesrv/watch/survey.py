"""
How much is unfinished: counted when somebody asks, in slices between other events.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator

from filesrv.server.shelves import Shelves
from filesrv.store.registry import Direction

__all__ = ["Survey", "soon", "survey"]

#: Partial files that are looked at in one turn, in a fraction of a millisecond.
_SLICE = 100


@dataclass
class Survey:
    """
    The uploads that broke off and wait to be gone on with.

    @ivar uploads: how many.
    @ivar bytes: that have arrived of them.
    @ivar oldest: when the one that has waited longest broke off, in seconds since the
        epoch; L{None} where there is none.
    """

    uploads: int = 0
    bytes: int = 0
    oldest: float | None = None


async def survey(shelves: Shelves) -> Survey:
    """
    Count what is unfinished.

    @raise FilesrvError: the registry cannot be read.
    """
    found = Survey()
    cooperator = Cooperator(scheduler=soon(shelves.clock))
    await cooperator.coiterate(_count(shelves, found))
    return found


def soon(clock: IReactorTime) -> Any:
    """The scheduler of a L{Cooperator} that takes turns with everything else."""
    return lambda work: clock.callLater(0, work)


def _count(shelves: Shelves, found: Survey) -> Iterator[None]:
    running = {upload.claim.row.id for upload in shelves.uploads.active}
    rows = shelves.registry.ids(Direction.UPLOAD)
    for number, (id, touched) in enumerate(rows):
        if id not in running:
            found.uploads += 1
            found.bytes += shelves.uploads.partials.size(id)
            found.oldest = touched if found.oldest is None else min(found.oldest, touched)
        if number % _SLICE == _SLICE - 1:
            yield
