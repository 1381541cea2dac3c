"""
A bound on the bytes a second: a token bucket that may go into debt.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

__all__ = ["Pace"]


class Pace:
    """
    Bytes are taken first and waited for afterwards, so that no caller has to cut its
    chunks to fit, and the mean is exact whatever their size.
    """

    #: Seconds of the rate that may be saved up by being slow.
    BURST = 0.25

    def __init__(self, clock: IReactorTime, bytes_per_second: float) -> None:
        self._clock = clock
        self._rate = bytes_per_second
        self._credit = 0.0
        self._counted = clock.seconds()

    def take(self, count: int) -> float:
        """Account for C{count} bytes that moved; seconds to wait before the next."""
        now = self._clock.seconds()
        earned = max(0.0, now - self._counted) * self._rate
        self._counted = now
        self._credit = min(self._credit + earned, self._rate * self.BURST) - count
        return max(0.0, -self._credit / self._rate)

    @property
    def chunk(self) -> int:
        """How many bytes to move at a time so that the flow stays even."""
        return max(1024, int(self._rate / 20))
