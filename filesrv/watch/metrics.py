"""
What is counted for Prometheus.  Names and units follow its conventions
(prometheus.io/docs/practices/naming): seconds, bytes, C{_total} for what only grows.

Counters are moved by events; what is true of this moment is L{filesrv.watch.moment}'s.
"""

from __future__ import annotations

from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from filesrv import __version__
from filesrv.server import events
from filesrv.server.events import Events
from filesrv.store.registry import Direction
from filesrv.wire.endings import Ending
from filesrv.wire.errors import BY_CODE

__all__ = ["HOOK_OUTCOMES", "Metrics"]

#: What a transfer that ended well is counted as, beside L{Ending}'s words.
COMPLETE = "complete"

#: How the run of a hook ends.
HOOK_OUTCOMES = ("done", "failed", "timeout", "dropped")

#: Seconds: a turn of 1 ms is a good one, 10 ms is what a client begins to feel, and from a
#: second on something is wrong.
_DELAYS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """
    The counters of one daemon.

    @ivar registry: they are in there, each series from 0 on.
    """

    def __init__(self, happening: Events) -> None:
        # A second series for each counter, which says when it was made, helps nobody here.
        disable_created_metrics()
        self.registry = CollectorRegistry()
        build = Gauge(
            "filesrv_build_info", "Which filesrv this is.", ["version"], registry=self.registry
        )
        build.labels(__version__).set(1)
        self._delay = Histogram(
            "filesrv_reactor_delay_seconds",
            "How much later than due a timer was run: the rest of the turn that was running.",
            buckets=_DELAYS,
            registry=self.registry,
        )
        self._hook_runs = self._counter(
            "hook_runs", "Runs of hooks, by how they ended.", outcome=HOOK_OUTCOMES
        )
        self._count_connections(happening)
        self._count_transfers(happening)

    def late(self, seconds: float) -> None:
        """The reactor was; see L{filesrv.watch.delay}."""
        self._delay.observe(seconds)

    def hook_ran(self, outcome: str) -> None:
        """A hook ended as one of L{HOOK_OUTCOMES}."""
        self._hook_runs.labels(outcome).inc()

    def _count_connections(self, happening: Events) -> None:
        connections = self._counter("connections", "Connections that were made.")
        logins = self._counter("logins", "Attempts to log in.", outcome=("done", "failed"))
        done, failed = logins.labels("done"), logins.labels("failed")
        refusals = self._counter("refusals", "Refusals, by their code.", code=tuple(BY_CODE))
        happening.subscribe(events.Connected, lambda _: connections.inc())
        happening.subscribe(events.LoggedIn, lambda _: done.inc())
        happening.subscribe(events.LoginFailed, lambda _: failed.inc())
        happening.subscribe(events.Refused, lambda event: refusals.labels(event.error.code).inc())

    def _count_transfers(self, happening: Events) -> None:
        directions = tuple(direction.value for direction in Direction)
        outcomes = (COMPLETE, *(ending.value for ending in Ending))
        transfers = self._counter(
            "transfers",
            "Transfers that have ended, by how.",
            direction=directions,
            outcome=outcomes,
        )
        repeated = self._counter(
            "transfer_repeated_bytes",
            "Bytes that were asked for again although the receiver had had them.",
            direction=directions,
        )
        takeovers = self._counter(
            "takeovers", "Transfers that went on over a newer connection of their client."
        )

        def began(event: events.Began) -> None:
            repeated.labels(event.direction.value).inc(event.again)

        def ended(event: events.Ended) -> None:
            outcome = COMPLETE if event.ending is None else event.ending.value
            transfers.labels(event.direction.value, outcome).inc()

        happening.subscribe(events.Began, began)
        happening.subscribe(events.Ended, ended)
        happening.subscribe(events.TakenOver, lambda _: takeovers.inc())

    def _counter(self, name: str, help: str, **labels: tuple[str, ...]) -> Counter:
        counter = Counter(f"filesrv_{name}", help, tuple(labels), registry=self.registry)
        for values in product(*labels.values()) if labels else ():
            counter.labels(*values)
        return counter
