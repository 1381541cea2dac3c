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
from filesrv.store.registry import Direction, Unfinished

__all__ = ["Survey", "soon", "survey", "unfinished"]

#: Rows that are looked at in one turn, and as many partial files: a millisecond or two.
_SLICE = 50


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
    for row in unfinished(shelves):
        if row is None:
            yield
        elif row.direction is Direction.UPLOAD:
            found.uploads += 1
            found.bytes += shelves.uploads.partials.size(row.id)
            found.oldest = min(row.touched, found.oldest or row.touched)


def unfinished(shelves: Shelves) -> Iterator[Unfinished | None]:
    """
    What nobody works on, in both directions, and L{None} wherever others may have a turn.
    """
    page = shelves.registry.page("", _SLICE)
    while page:
        yield from (row for row in page if shelves.registry.active(*row.key) is None)
        yield None
        page = shelves.registry.page(page[-1].id, _SLICE)
