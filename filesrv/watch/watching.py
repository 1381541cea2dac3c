"""
Those who look on, as the service starts and stops them.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Any

from twisted.internet.task import LoopingCall

from filesrv.server.factory import FilesrvFactory
from filesrv.server.shelves import CannotOpen
from filesrv.watch.answers import Desk
from filesrv.watch.control import Control
from filesrv.watch.hooks import Hook, Hooks
from filesrv.watch.ledger import Ledger
from filesrv.watch.owed import Owed
from filesrv.wire.names import STATE_DIRECTORY

if TYPE_CHECKING:
    from twisted.web.server import Site

    from filesrv.watch.pages import Pages

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
        self._pages: Pages | None = None
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
        from filesrv.watch.pages import Pages  # See there.

        pages = self._pages = Pages(
            self._reactor, self._shelves, self.ledger, self._root, self._hooks_waiting
        )
        return pages.site

    def _run_hooks(self, hook: Hook) -> None:
        path = os.path.join(self._root, STATE_DIRECTORY, "hooks.sqlite")
        try:
            owed = Owed(path)
        except sqlite3.Error as error:
            raise CannotOpen(f"cannot open {path}: {error}") from error
        self._hooks = Hooks(self._reactor, self._shelves, self._root, owed, hook, self._hook_ran)
        self._hooks.start()

    def _hook_ran(self, outcome: str) -> None:
        if self._pages is not None:
            self._pages.hook_ran(outcome)

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
        if self._pages is not None:
            self._pages.start()

    async def stop(self) -> None:
        """Look no more."""
        if self._hooks is not None:
            self._hooks.stop()
        if self._looks.running:
            self._looks.stop()
        if self._pages is not None:
            self._pages.stop()
        await self._control.stop()
