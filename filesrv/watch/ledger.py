"""
Who is connected and what runs right now, kept from the events of the server.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from twisted.internet.interfaces import IReactorTime

from filesrv.server.events import Began, Connected, Ended, Events, Left, LoggedIn, Who
from filesrv.store.registry import Direction

__all__ = ["Ledger", "Present", "Running"]

#: Seconds that a rate is measured over at least; looks in between leave it as it was.
_RATE_OVER = 0.5


@dataclass(eq=False)
class Running:
    """
    A transfer that runs.

    @ivar since: when it began, in seconds since the epoch, like C{progress}.
    @ivar moved: bytes that had gone over this connection when L{look} was called last.
    @ivar progress: when a look first saw that count.
    @ivar rate: bytes a second of late.
    """

    began: Began
    since: float
    progress: float
    moved: int = 0
    rate: float = 0.0
    _sample: tuple[float, int] = field(default=(0.0, 0), init=False)

    def __post_init__(self) -> None:
        self._sample = (self.since, 0)

    def look(self, now: float) -> None:
        """See how far it is."""
        moved = self.began.moved()
        if moved != self.moved:
            self.moved, self.progress = moved, now
        then, before = self._sample
        if now - then >= _RATE_OVER:
            self.rate = max(0, moved - before) / (now - then)
            self._sample = (now, moved)

    @property
    def position(self) -> int:
        """How much of the file the receiver has."""
        return self.began.offset + self.moved


@dataclass(eq=False)
class Present:
    """
    A connection that is open.

    @ivar moved: bytes of payload that went over it, both ways, in transfers that ended.
    """

    who: Who
    since: float
    moved: int = 0
    running: Running | None = None


class Ledger:
    """
    What is going on.

    @ivar present: the connections that are open, by their numbers.
    @ivar moved: bytes of all transfers that have ended, by direction.
    """

    def __init__(self, events: Events, clock: IReactorTime) -> None:
        self._clock = clock
        self.present: dict[int, Present] = {}
        self.moved = dict.fromkeys(Direction, 0)
        events.subscribe(Connected, self._connected)
        events.subscribe(LoggedIn, self._logged_in)
        events.subscribe(Began, self._began)
        events.subscribe(Ended, self._ended)
        events.subscribe(Left, self._left)

    def look(self) -> list[Running]:
        """See how far each transfer is; all that run, the oldest first."""
        now = self._clock.seconds()
        running = [present.running for present in self.present.values() if present.running]
        for transfer in running:
            transfer.look(now)
        return sorted(running, key=lambda transfer: transfer.since)

    def _connected(self, event: Connected) -> None:
        self.present[event.who.number] = Present(event.who, self._clock.seconds())

    def _logged_in(self, event: LoggedIn) -> None:
        if present := self.present.get(event.who.number):
            present.who = event.who

    def _began(self, event: Began) -> None:
        if present := self.present.get(event.who.number):
            now = self._clock.seconds()
            present.who, present.running = event.who, Running(event, now, now)

    def _ended(self, event: Ended) -> None:
        present = self.present.get(event.who.number)
        if present is None or present.running is None:
            return
        # A look may have seen a byte more than was left when the connection broke.
        moved = max(event.moved, present.running.moved)
        self.moved[event.direction] += moved
        present.moved += moved
        present.running = None

    def _left(self, event: Left) -> None:
        self.present.pop(event.who.number, None)
