"""
Those who look on, as the service starts and stops them.
"""

from __future__ import annotations

import os
import sqlite3
from typing import Any

from twisted.internet.task import LoopingCall
from twisted.web.server import Site

from filesrv.server.factory import FilesrvFactory
from filesrv.server.shelves import CannotOpen
from filesrv.watch.answers import Desk
from filesrv.watch.control import Control
from filesrv.watch.delay import Delay
from filesrv.watch.hooks import Hook, Hooks
from filesrv.watch.ledger import Ledger
from filesrv.watch.metrics import Metrics
from filesrv.watch.moment import Moment
from filesrv.watch.owed import Owed
from filesrv.watch.page import Health, site
from filesrv.watch.survey import survey
from filesrv.wire.names import STATE_DIRECTORY

__all__ = ["Watching"]

#: Seconds between looks at how far each transfer is, beside those of whoever asks: so
#: exactly is it known since when one stands still.
LOOK_EVERY = 5.0


class Watching:
    """
    Those who look on at one daemon.

    @ivar ledger: who is connected and what runs.
    """

    def __init__(self, reactor: Any, factory: FilesrvFactory, root: str, hook: Hook | None) -> None:
        """
        @param hook: what is run when a file was stored.
        """
        self._reactor = reactor
        shelves = self._shelves = factory.shelves
        self._root = root
        self._hook = hook
        self.ledger = Ledger(shelves.events, reactor)
        self._looks = LoopingCall(self.ledger.look)
        self._looks.clock = reactor
        self._metrics: Metrics | None = None
        self._delay: Delay | None = None
        self._hooks: Hooks | None = None
        connected = factory.connections
        desk = Desk(
            shelves,
            self.ledger,
            lambda: [one.session for one in connected],
            root,
            reactor.seconds(),
        )
        self._control = Control(reactor, os.path.join(root, STATE_DIRECTORY), desk)

    def pages(self) -> Site:
        """The metrics, counted from here on, and the health, over HTTP."""
        metrics = self._metrics = Metrics(self._shelves.events)
        moment = Moment(self.ledger, self._reactor, self._hooks_waiting)
        metrics.registry.register(moment)
        self._delay = Delay(self._reactor, metrics.late)

        async def prepare() -> None:
            moment.unfinished = await survey(self._shelves)

        health = Health(self._root, self._shelves, lambda: self._shelves.draining.on)
        return site(self._reactor, metrics.registry, health, prepare)

    def _run_hooks(self, hook: Hook) -> None:
        path = os.path.join(self._root, STATE_DIRECTORY, "hooks.sqlite")
        try:
            owed = Owed(path)
        except sqlite3.Error as error:
            raise CannotOpen(f"cannot open {path}: {error}") from error
        self._hooks = Hooks(self._reactor, self._shelves, self._root, owed, hook, self._hook_ran)
        self._hooks.start()

    def _hook_ran(self, outcome: str) -> None:
        if self._metrics is not None:
            self._metrics.hook_ran(outcome)

    def _hooks_waiting(self) -> int:
        return 0 if self._hooks is None else self._hooks.waiting()

    def start(self) -> None:
        """
        Begin to look.

        @raise CannotOpen: what has to be noted down cannot be, or nobody could ask.
        """
        self._control.start()
        if self._hook is not None:
            self._run_hooks(self._hook)
        self._looks.start(LOOK_EVERY)
        if self._delay is not None:
            self._delay.start()

    async def stop(self) -> None:
        """Look no more."""
        if self._hooks is not None:
            self._hooks.stop()
        if self._looks.running:
            self._looks.stop()
        if self._delay is not None:
            self._delay.stop()
        await self._control.stop()
