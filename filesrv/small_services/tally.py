"""
A line of log that nobody can make many of.
"""

from __future__ import annotations

from collections import Counter

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from filesrv.small_services.guard import Refusal
from filesrv.transfer.datagrams import Datagram

__all__ = ["EVERY", "Tally"]

#: Seconds between two lines at least: a flood makes 8,640 lines a day.
EVERY = 10.0


class Tally:
    """
    Counts what a service answers and does not.

    The first datagram after a quiet time is told of at once, so that who tries the service
    sees it in the log; what follows within L{EVERY} seconds is told of in one line.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, name: str) -> None:
        """
        @param name: of the service, with which the lines begin.
        """
        self._clock = clock
        self._name = name
        self._counts: Counter[Refusal | None] = Counter()
        self._bytes = 0
        self._last = ""
        self._quiet_until: IDelayedCall | None = None

    def count(self, datagram: Datagram, refusal: Refusal | None) -> None:
        """A datagram was answered, or not."""
        self._counts[refusal] += 1
        self._bytes += len(datagram.data)
        self._last = f"{datagram.host}({datagram.port})"
        if self._quiet_until is None:
            self._tell()

    def stop(self) -> None:
        """Tell of what was not told yet."""
        if self._quiet_until is not None:
            self._quiet_until.cancel()
            self._quiet_until = None
        if self._counts:
            self._write()

    def _tell(self) -> None:
        self._quiet_until = None
        if self._counts:
            self._write()
            self._quiet_until = self._clock.callLater(EVERY, self._tell)

    def _write(self) -> None:
        counts, self._counts = self._counts, Counter()
        size, self._bytes = self._bytes, 0
        # Twisted's Logger takes a comma in a field's name for part of the format.
        parts = [f"{counts.pop(None, 0)} answered"]
        parts += [f"{count} not, {refusal.value}" for refusal, count in counts.items() if refusal]
        self._log.info(
            "{service}: {outcome}; {bytes} bytes came, the last from client {peer}",
            service=self._name,
            outcome=", ".join(parts),
            bytes=size,
            peer=self._last,
        )
