"""
The daemon as a service of systemd: ready when it listens, alive as long as its reactor
turns, and with the time that it needs to stop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.task import LoopingCall

from filesrv.service.systemd import Systemd, watchdog_seconds

__all__ = ["Status"]

#: Seconds between looks at what C{systemctl status} shows.
STATUS_EVERY = 5.0

#: Seconds beside those of the drain until the last connection is closed and all is on disk.
STOPPING = 15.0


class Status:
    """
    What systemd hears of the daemon, turn by turn of the reactor: one that is stuck says
    nothing any more, and is restarted.
    """

    def __init__(
        self, clock: Any, environment: Mapping[str, str], describe: Callable[[], str]
    ) -> None:
        """
        @param describe: says what the daemon does right now.
        """
        self._systemd = Systemd.of(environment)
        self._describe = describe
        within = watchdog_seconds(environment)
        # Half of what is allowed, as sd_watchdog_enabled(3) recommends.
        self._every = STATUS_EVERY if within is None else min(STATUS_EVERY, within / 2)
        self._loop = LoopingCall(self._tick)
        self._loop.clock = clock

    def ready(self) -> None:
        """It listens, and its reactor runs."""
        if self._systemd.listens:
            self._systemd.tell(ready=1)
            self._loop.start(self._every)

    def reloading(self) -> None:
        """It reads again what can be; L{reloaded} follows."""
        self._systemd.tell(reloading=1, monotonic_usec=time.monotonic_ns() // 1000)

    def reloaded(self) -> None:
        self._systemd.tell(ready=1)

    def stopping(self, within: float) -> None:
        """
        It stops.

        @param within: seconds that transfers may still take, however few systemd knows of.
        """
        self._systemd.tell(stopping=1, extend_timeout_usec=int((within + STOPPING) * 1e6))

    def stopped(self) -> None:
        """Nothing is left to tell."""
        if self._loop.running:
            self._loop.stop()

    def _tick(self) -> None:
        self._systemd.tell(watchdog=1, status=self._describe())
