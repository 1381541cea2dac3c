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

    Those for whom it is done take turns, each with their first: whoever has much to be done
    keeps nobody else waiting for all of it.
    """

    def __init__(self, clock: IReactorTime, most: int) -> None:
        """
        @param most: how many pieces may wait.
        """
        self._clock = clock
        self._most = most
        self._waiting: dict[str, deque[Deferred[None]]] = {}  # whose turn is next comes first
        self._busy = False

    async def take(self, whose: str, work: Callable[[], T]) -> T:
        """
        What C{work} returns when its turn has come.

        @param whose: for whom it is done.
        @raise TooManyConnections: too many wait for theirs.
        """
        if self._busy:
            self._make_room(whose)
            turn: Deferred[None] = Deferred()
            self._waiting.setdefault(whose, deque()).append(turn)
            await turn
        self._busy = True
        started = self._clock.seconds()
        try:
            return work()
        finally:
            took = max(0.0, self._clock.seconds() - started)
            self._clock.callLater(took, self._next)

    def _make_room(self, whose: str) -> None:
        """Send away the last of those of whom most wait, who may be the one that comes."""
        if sum(map(len, self._waiting.values())) < self._most:
            return
        refusal = TooManyConnections("too many are logging in at once; try again later")
        longest = max(self._waiting.values(), key=len)
        if len(self._waiting.get(whose, ())) + 1 >= len(longest):
            raise refusal
        longest.pop().errback(refusal)

    def _next(self) -> None:
        if not self._waiting:
            self._busy = False
            return
        whose = next(iter(self._waiting))
        waiting = self._waiting.pop(whose)
        turn = waiting.popleft()
        if waiting:
            self._waiting[whose] = waiting
        turn.callback(None)
