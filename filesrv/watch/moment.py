"""
What is true of this moment, for Prometheus: looked up when a page of metrics is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from twisted.internet.interfaces import IReactorTime

from filesrv.store.registry import Direction
from filesrv.watch.ledger import Ledger
from filesrv.watch.survey import Survey

__all__ = ["Moment"]


@dataclass(eq=False)
class Moment(Collector):
    """
    The metrics that nobody counts.

    @ivar unfinished: as of the latest survey.
    @ivar hooks_waiting: tells how many runs of hooks are still owed.
    """

    ledger: Ledger
    clock: IReactorTime
    hooks_waiting: Callable[[], int] = lambda: 0
    unfinished: Survey = field(default_factory=Survey)

    def collect(self) -> Iterator[Metric]:
        """What C{prometheus_client} asks for."""
        yield from self._transfers()
        now, unfinished = self.clock.seconds(), self.unfinished
        oldest = 0.0 if unfinished.oldest is None else max(0.0, now - unfinished.oldest)
        for name, help, value in (
            ("connections_open", "Connections that are open.", len(self.ledger.present)),
            ("unfinished_uploads", "Uploads that wait to be gone on with.", unfinished.uploads),
            ("unfinished_upload_bytes", "Bytes that are here of those.", unfinished.bytes),
            (
                "unfinished_upload_oldest_seconds",
                "Seconds since the one of those that waits longest broke off.",
                oldest,
            ),
            ("hooks_waiting", "Runs of hooks that are still owed.", self.hooks_waiting()),
        ):
            yield GaugeMetricFamily(f"filesrv_{name}", help, value)

    def _transfers(self) -> Iterator[Metric]:
        running = self.ledger.look()
        now = self.clock.seconds()
        moved = CounterMetricFamily(
            "filesrv_transfer_bytes",
            "Bytes of payload that went over connections.",
            labels=["direction"],
        )
        open_ = GaugeMetricFamily(
            "filesrv_transfers_running", "Transfers that run.", labels=["direction"]
        )
        for direction in Direction:
            these = [one for one in running if one.began.direction is direction]
            total = self.ledger.moved[direction] + sum(one.moved for one in these)
            moved.add_metric([direction.value], total)
            open_.add_metric([direction.value], len(these))
        yield moved
        yield open_
        yield GaugeMetricFamily(
            "filesrv_transfer_without_progress_seconds",
            "Seconds since the running transfer that has stood still longest last moved a byte.",
            max((now - one.progress for one in running), default=0.0),
        )
