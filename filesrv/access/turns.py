"""
Work that holds the one thread, a piece at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from filesrv.wire.errors import TooManyConnections

__all__ = ["Turns"]

T = TypeVar("T")


class Turns:
    """
    One piece of work after the other, with as much time for everything else between two as
    the first of them took: however many wait, they have no more than half of the thread.
    """

    def __init__(self, clock: IReactorTime, most: int) -> None:
        """
        @param most: how many may wait.
        """
        self._clock = clock
        self._most = most
        self._waiting: deque[Deferred[None]] = deque()
        self._busy = False

    async def take(self, work: Callable[[], T]) -> T:
        """
        What C{work} returns when its turn has come.

        @raise TooManyConnections: too many wait for theirs.
        """
        if self._busy:
            if len(self._waiting) >= self._most:
                raise TooManyConnections("too many are logging in at once; try again later")
            turn: Deferred[None] = Deferred()
            self._waiting.append(turn)
            await turn
        self._busy = True
        started = self._clock.seconds()
        try:
            return work()
        finally:
            took = max(0.0, self._clock.seconds() - started)
            self._clock.callLater(took, self._next)

    def _next(self) -> None:
        if self._waiting:
            self._waiting.popleft().callback(None)
        else:
            self._busy = False
