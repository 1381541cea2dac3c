"""
Those who look on, as the service starts and stops them.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import LoopingCall
from twisted.web.server import Site

from filesrv.server.shelves import Shelves
from filesrv.watch.delay import Delay
from filesrv.watch.ledger import Ledger
from filesrv.watch.metrics import Metrics
from filesrv.watch.moment import Moment
from filesrv.watch.page import Health, site
from filesrv.watch.survey import survey

__all__ = ["Watching"]

#: Seconds between looks at how far each transfer is, beside those of whoever asks: so
#: exactly is it known since when one stands still.
LOOK_EVERY = 5.0


class Watching:
    """
    Those who look on at one daemon.

    @ivar draining: the service says here that it is about to stop.
    @ivar ledger: who is connected and what runs.
    """

    def __init__(self, reactor: Any, shelves: Shelves, root: str) -> None:
        self._reactor = reactor
        self._shelves = shelves
        self._root = root
        self.draining = False
        self.ledger = Ledger(shelves.events, reactor)
        self._looks = LoopingCall(self.ledger.look)
        self._looks.clock = reactor
        self._delay: Delay | None = None

    def pages(self) -> Site:
        """The metrics, counted from here on, and the health, over HTTP."""
        metrics = Metrics(self._shelves.events)
        moment = Moment(self.ledger, self._reactor)
        metrics.registry.register(moment)
        self._delay = Delay(self._reactor, metrics.late)

        async def prepare() -> None:
            moment.unfinished = await survey(self._shelves)

        health = Health(self._root, self._shelves, lambda: self.draining)
        return site(self._reactor, metrics.registry, health, prepare)

    def start(self) -> None:
        """Begin to look."""
        self._looks.start(LOOK_EVERY)
        if self._delay is not None:
            self._delay.start()

    def stop(self) -> None:
        """Look no more."""
        if self._looks.running:
            self._looks.stop()
        if self._delay is not None:
            self._delay.stop()
