"""
Which answer belongs to which datagram, and what came of all of them.

An echo comes back as it went, with no number on it; and UDP may lose, double and delay
it.  So answers are matched by what they hold.
"""

from __future__ import annotations

import statistics
from array import array
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from twisted.internet.interfaces import IDelayedCall

__all__ = ["Answer", "RoundTrip", "RoundTrips", "Totals"]

#: How many that are over are remembered, to know what comes late or twice: what two
#: seconds hold at the rate that servers answer.
_REMEMBERED = 256


@dataclass(eq=False)
class RoundTrip:
    """
    One datagram and its way.

    @ivar sent_at: seconds.
    @ivar timer: ends the wait for it.
    """

    data: bytes
    sent_at: float
    timer: IDelayedCall | None = None

    def stop(self) -> None:
        """It is waited for no longer."""
        if self.timer is not None and self.timer.active():
            self.timer.cancel()
        self.timer = None


class Answer(NamedTuple):
    """
    @ivar late: whether it had been given up as lost.
    @ivar seconds: of the round trip.
    """

    late: bool
    seconds: float


class Totals(NamedTuple):
    """What is said in the end; times in seconds, in their order."""

    sent: int
    received: int
    times: array[float]

    @property
    def lost(self) -> int:
        """Those that no answer came to, not even late."""
        return self.sent - self.received

    @property
    def least_median_most(self) -> tuple[float, float, float] | None:
        """L{None} if nothing came back."""
        if not self.times:
            return None
        return min(self.times), statistics.median(self.times), max(self.times)


class RoundTrips:
    """All those of one run."""

    def __init__(self) -> None:
        self._waiting: dict[RoundTrip, None] = {}
        self._lost: deque[RoundTrip] = deque(maxlen=_REMEMBERED)
        self._answered: deque[bytes] = deque(maxlen=_REMEMBERED)
        self._sent = 0
        self._times: array[float] = array("d")

    def __len__(self) -> int:
        """How many are waited for."""
        return len(self._waiting)

    def __iter__(self) -> Iterator[RoundTrip]:
        """Those that are waited for, the oldest first."""
        return iter(list(self._waiting))

    @property
    def any_answered(self) -> bool:
        """Whether anything has come back."""
        return bool(self._times)

    @property
    def totals(self) -> Totals:
        """Up to now."""
        return Totals(self._sent, len(self._times), self._times)

    def sent(self, trip: RoundTrip) -> None:
        """A datagram goes out."""
        self._sent += 1
        self._waiting[trip] = None

    def lost(self, trip: RoundTrip) -> None:
        """Its time is over."""
        trip.stop()
        del self._waiting[trip]
        self._lost.append(trip)

    def answered(self, data: bytes, now: float) -> Answer | None:
        """
        An answer came.

        @return: L{None} if nothing like it is waited for: it is a double, or none of ours.
        """
        late = False
        trip = next((each for each in self._waiting if each.data == data), None)
        if trip is None:
            trip = next((each for each in self._lost if each.data == data), None)
            late = True
        if trip is None:
            return None
        if late:
            self._lost.remove(trip)
        else:
            del self._waiting[trip]
        trip.stop()
        seconds = max(0.0, now - trip.sent_at)
        self._times.append(seconds)
        self._answered.append(data)
        return Answer(late, seconds)

    def is_double(self, data: bytes) -> bool:
        """Whether an answer like it came before."""
        return data in self._answered
