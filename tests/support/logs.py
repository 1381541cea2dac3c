"""What was logged during a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import implementer

__all__ = ["Log", "collecting"]


@dataclass
class Log:
    """
    @ivar events: all of them.
    @ivar faults_expected: how many faults of the server the test provokes.
    """

    events: list[LogEvent] = field(default_factory=list)
    faults_expected: int = 0

    @staticmethod
    def text(event: LogEvent) -> str:
        """One event as a line of the log, with its traceback if it has one."""
        failure = event.get("log_failure")
        return formatEvent(event) + ("" if failure is None else f"\n{failure.getTraceback()}")

    @property
    def lines(self) -> list[str]:
        """What the log says of connections and transfers."""
        return [
            self.text(event)
            for event in self.events
            if event.get("log_namespace", "").startswith("filesrv")
        ]


@implementer(ILogObserver)
class _Collector:
    def __init__(self, events: list[LogEvent]) -> None:
        self._events = events

    def __call__(self, event: LogEvent) -> None:
        self._events.append(event)


@contextmanager
def collecting() -> Iterator[Log]:
    """What is logged within the block."""
    found = Log()
    observer = _Collector(found.events)
    globalLogPublisher.addObserver(observer)
    try:
        yield found
    finally:
        globalLogPublisher.removeObserver(observer)
