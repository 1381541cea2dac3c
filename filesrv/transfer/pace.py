"""
Bounds on the bytes a second: a token bucket that may go into debt, and one that many share.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Protocol

from twisted.internet.interfaces import IReactorTime

__all__ = ["DOWN", "UP", "Bandwidth", "Bound", "Pace", "Share", "Turn"]

#: Seconds that a clock can tell apart; it counts them from 1970 in 53 bits.  Who waits for
#: less finds the clock where it was, and waits again.
TICK = 1e-6

#: Bytes that are moved at a time at least, however low the rate.
SMALLEST = 1024


@dataclass(frozen=True)
class Turn:
    """
    What the flows of one direction move in a turn of the reactor: so long do commands wait
    that come meanwhile.

    @ivar alone: bytes of one that is the only one.
    @ivar in_all: bytes of several together, in a few milliseconds.
    @ivar least: bytes of each of them at least, or there were more calls than bytes.
    """

    alone: int
    in_all: int
    least: int


_MIB = 1024 * 1024

#: The kernel moves a MiB to a socket in a third of a millisecond.
DOWN = Turn(4 * _MIB, 4 * _MIB, _MIB)

#: Received, hashed and written it takes four times as long.
UP = Turn(2 * _MIB, _MIB, _MIB // 8)


class Bound(Protocol):
    """
    What bytes are accounted for with.  They are taken first and waited for afterwards, so
    that no caller has to cut its chunks to fit, and the mean is exact whatever their size.
    """

    def take(self, count: int) -> float:
        """Account for C{count} bytes that moved; seconds to wait before the next."""

    @property
    def chunk(self) -> int:
        """How many bytes to move at a time so that the flow stays even."""


class Pace:
    """A bound on one flow."""

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
        wait = -self._credit / self._rate
        return wait if wait >= TICK else 0.0

    @property
    def chunk(self) -> int:
        """How many bytes to move at a time so that the flow stays even."""
        return max(SMALLEST, int(self._rate / 20))


class Bandwidth:
    """
    What all flows of one direction may take together, and each of them.

    Each flow waits until the debt is paid in which its own chunk is the last.  So they take
    turns, with equal chunks: the rate is shared equally by those that can use it, and what
    a slow one leaves the others have.

    @ivar turn: what they move in a turn of the reactor.
    @ivar flows: how many there are.
    @ivar chunk: how many bytes each of them moves at a time.
    """

    def __init__(self, clock: IReactorTime, turn: Turn, in_all: float, each: float) -> None:
        """
        @param in_all: bytes a second; infinite for no bound, like C{each}.
        """
        self._clock = clock
        self.turn = turn
        self._each = each
        self.common = None if in_all == inf else Pace(clock, in_all)
        self.flows = 0
        self._share_out()

    def share(self) -> Share:
        """A connection's part."""
        return Share(self, None if self._each == inf else Pace(self._clock, self._each))

    def count(self, more: int) -> None:
        """So many flows have begun, or ended."""
        self.flows += more
        self._share_out()

    def _share_out(self) -> None:
        # Here, and not for each chunk, of which there are thousands a second.
        flows, turn = max(1, self.flows), self.turn
        self.chunk = turn.alone if flows == 1 else max(turn.least, turn.in_all // flows)
        if self.common is not None:
            self.chunk = max(SMALLEST, min(self.chunk, self.common.chunk // flows))


class Share:
    """
    One connection's part.  It is kept from one flow to the next, or many small ones would
    never have to wait.

    @ivar flowing: whether there is a flow now.
    """

    def __init__(self, bandwidth: Bandwidth, own: Pace | None) -> None:
        self._bandwidth = bandwidth
        self._paces = [pace for pace in (own, bandwidth.common) if pace is not None]
        self._most = bandwidth.turn.alone if own is None else own.chunk
        self.flowing = False

    def begin(self) -> float:
        """A flow begins; seconds to wait before that, for what was taken before."""
        if not self.flowing:
            self.flowing = True
            self._bandwidth.count(1)
        return self.take(0)

    def end(self) -> None:
        """The flow has ended.  A second call does nothing."""
        if self.flowing:
            self.flowing = False
            self._bandwidth.count(-1)

    def take(self, count: int) -> float:
        """Account for C{count} bytes that moved; seconds to wait before the next."""
        wait = 0.0
        for pace in self._paces:
            wait = max(wait, pace.take(count))
        return wait

    @property
    def chunk(self) -> int:
        """How many bytes to move at a time, the same for each of those that share."""
        return min(self._bandwidth.chunk, self._most)
