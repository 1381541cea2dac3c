"""
How long the turns of the reactor are, as whoever waits for their end sees it.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["Delay"]

#: Seconds between two looks: ten a second cost nothing, and meet a reactor that is busy
#: for a tenth of its time in one of ten.
EVERY = 0.1


class Delay:
    """
    Calls C{observe} with how many seconds later than due a timer was run.  That is what is
    left, at a moment that nobody chose, of the turn that is running then: as long waits
    whatever else comes in at that moment.
    """

    def __init__(self, clock: IReactorTime, observe: Callable[[float], object]) -> None:
        self._clock = clock
        self._observe = observe
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Begin to look."""
        self._call = self._clock.callLater(EVERY, self._look, self._clock.seconds() + EVERY)

    def stop(self) -> None:
        """Look no more."""
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _look(self, due: float) -> None:
        self._observe(max(0.0, self._clock.seconds() - due))
        self.start()
