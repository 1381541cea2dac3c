"""
How much an address may be answered: a token bucket for each, in bounded memory.
"""

from __future__ import annotations

from collections import OrderedDict

from twisted.internet.interfaces import IReactorTime

__all__ = ["Buckets"]

#: Seconds between two looks through all buckets at least: it takes a fraction of a millisecond.
_SWEEP_EVERY = 0.1


class Buckets:
    """
    Buckets that are full again are forgotten; there are never more than C{most}.

    While so many are in use, whoever comes new gets nothing: to forget the oldest
    instead would let a sender of many forged addresses empty any bucket again and again.
    """

    def __init__(self, clock: IReactorTime, rate: float, burst: float, most: int = 4096) -> None:
        """
        @param rate: tokens a second that an address earns.
        @param burst: tokens that it can have saved up; it has them when it is new.
        """
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._most = most
        # When each will be full again; the one that was used last stands last.
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self._swept_at = float("-inf")

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, address: str, tokens: float) -> bool:
        """Take C{tokens} from the bucket of C{address}, or none and say no."""
        now = self._clock.seconds()
        known = self._full_at.get(address)
        if known is None:
            known = now
            if not self._has_room(now):
                return False
        # Later than that only if the clock was set back since.
        full_at = min(max(now, known), self._latest(now))
        enough = full_at + tokens / self._rate <= self._latest(now)
        self._full_at[address] = full_at + enough * tokens / self._rate
        self._full_at.move_to_end(address)
        return enough

    def _latest(self, now: float) -> float:
        """When a bucket that is empty now will be full."""
        return now + self._burst / self._rate

    def _has_room(self, now: float) -> bool:
        while self._full_at:
            oldest = next(iter(self._full_at))
            if not self._is_full(oldest, now):
                break
            del self._full_at[oldest]
        if len(self._full_at) >= self._most:
            self._sweep(now)
        return len(self._full_at) < self._most

    def _sweep(self, now: float) -> None:
        """One that was emptied, in front, must not keep the places of all behind it."""
        if 0 <= now - self._swept_at < _SWEEP_EVERY:
            return
        self._swept_at = now
        for address in [each for each in self._full_at if self._is_full(each, now)]:
            del self._full_at[address]

    def _is_full(self, address: str, now: float) -> bool:
        """Or the clock was set back since."""
        return not now < self._full_at[address] <= self._latest(now)
