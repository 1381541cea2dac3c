"""
The signals by which an administrator, or systemd, tells the daemon what to do.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, Protocol

from twisted.logger import Logger

__all__ = ["Stoppable", "catch_signals"]

_log = Logger()

_Catch = Callable[[int, "FrameType | None"], object]


class Stoppable(Protocol):
    """What is told."""

    @property
    def running(self) -> object:
        """Whether it is not stopping yet."""

    def hurry(self) -> None:
        """Stop at once: transfers that run are ended."""

    def reload(self) -> None:
        """Read again what can be."""


def catch_signals(reactor: Any, service: Stoppable) -> None:
    """
    Catch SIGTERM, SIGINT and SIGHUP, after the reactor has put its own handlers there.

    The reactor's would have twistd end by SIGTERM itself, whereas a service that was told
    to stop, and did, ends with status 0.  After Ctrl-C a shell wants to see SIGINT, so that
    one is left to the reactor.
    """
    interrupt: Any = signal.getsignal(signal.SIGINT)

    def caught(then: Callable[[], object]) -> _Catch:
        return lambda number, frame: reactor.callFromThread(then)

    def stop(first: Callable[[], object]) -> Callable[[], object]:
        return lambda: first() if service.running else service.hurry()

    def terminate() -> None:
        _log.info("SIGTERM: stopping; another one ends what still runs")
        reactor.stop()

    signal.signal(signal.SIGTERM, caught(stop(terminate)))
    if callable(interrupt):
        signal.signal(signal.SIGINT, caught(stop(lambda: interrupt(signal.SIGINT, None))))
    signal.signal(signal.SIGHUP, caught(service.reload))
