"""
The last minutes of a daemon: nothing new begins, and what is under way may end.
"""

from __future__ import annotations

from filesrv.server.events import Ended, Events, Left
from filesrv.wire.errors import ShuttingDown

__all__ = ["Draining"]


class Draining:
    """
    Which connections may still do what.

    @ivar on: whether the daemon is stopping.
    @ivar finished: transfers that have become complete since.
    @ivar broken: those that were ended, and can be gone on with.
    """

    def __init__(self, events: Events) -> None:
        self.on = False
        self.finished = 0
        self.broken = 0
        self._uncommitted: dict[int, set[str]] = {}
        events.subscribe(Left, lambda event: self._uncommitted.pop(event.who.number, None))
        events.subscribe(Ended, self._ended)

    def arrived(self, number: int, name: str) -> None:
        """Over this connection all of an upload came, which is to be published by COMMIT."""
        self._uncommitted.setdefault(number, set()).add(name)

    def settled(self, number: int, name: str) -> None:
        """That COMMIT has come."""
        self._uncommitted.get(number, set()).discard(name)

    def waits(self, number: int) -> bool:
        """Whether a COMMIT is still to come over this connection."""
        return bool(self._uncommitted.get(number))

    def admit(self, number: int, verb: str) -> None:
        """
        Let a command through unless the daemon is stopping.

        @raise ShuttingDown: it is, and this finishes nothing.
        """
        if self.on and not (verb == "COMMIT" and self.waits(number)):
            raise ShuttingDown

    def _ended(self, event: Ended) -> None:
        if self.on:
            self.finished += event.ending is None
            self.broken += event.ending is not None
