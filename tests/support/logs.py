"""What was logged during a test."""

from __future__ import annotations

from dataclasses import dataclass, field

from twisted.logger import LogEvent, formatEvent

__all__ = ["Log"]


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
