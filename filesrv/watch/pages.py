"""
The metrics and the health over HTTP, put together.

Twisted's web server and the library of the metrics are a fifth of what the daemon imports,
and nothing else needs them: import this where there are pages to serve.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from filesrv.server.shelves import Shelves
from filesrv.watch.delay import Delay
from filesrv.watch.ledger import Ledger
from filesrv.watch.metrics import Metrics
from filesrv.watch.moment import Moment
from filesrv.watch.page import Health, site
from filesrv.watch.survey import survey

__all__ = ["Pages"]


class Pages:
    """
    The pages of one daemon, which count from their making on.

    @ivar site: serves them.
    @ivar hook_ran: to be told the outcome of each run of the hook.
    """

    def __init__(
        self,
        reactor: Any,
        shelves: Shelves,
        ledger: Ledger,
        root: str,
        hooks_waiting: Callable[[], int],
    ) -> None:
        """
        @param hooks_waiting: tells how many runs of the hook are owed.
        """
        metrics = Metrics(shelves.events)
        moment = Moment(ledger, reactor, hooks_waiting)
        metrics.registry.register(moment)

        async def prepare() -> None:
            moment.unfinished = await survey(shelves)

        health = Health(root, shelves, lambda: shelves.draining.on)
        self.site = site(reactor, metrics.registry, health, prepare)
        self.hook_ran = metrics.hook_ran
        self._delay = Delay(reactor, metrics.late)

    def start(self) -> None:
        """Begin to look at how long the reactor's turns are."""
        self._delay.start()

    def stop(self) -> None:
        """Look no more."""
        self._delay.stop()
