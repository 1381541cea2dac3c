"""
The goals of this project, as a table, and what was found of each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.support.samples import Samples
from benchmarks.support.tables import Table

__all__ = ["GOALS", "goals_table"]

_OFF = "filesrv, both off"
_BARE = "bare loop"
_NOT_PEERS = (_OFF, _BARE, "filesrv", "filesrv --no-verify")
_FLAT_OUT = "4 uploads and 4 downloads"

#: What was found, and of whom it is said.
Found = tuple[float, str]


@dataclass(frozen=True)
class Check:
    """
    One figure and where it has to be.

    @ivar words: with a place for the figure, and one for the peer if it is beside one.
    """

    words: str
    find: Callable[[Samples], Found]
    least: float = -math.inf
    most: float = math.inf

    def said(self, samples: Samples) -> tuple[str, bool] | None:
        """The words, and whether it is where it has to be; nothing where nothing was measured."""
        value, peer = self.find(samples)
        if math.isnan(value):
            return None
        return self.words.format(value, peer), self.least <= value <= self.most


@dataclass(frozen=True)
class Goal:
    """A row of the table of goals."""

    what: str
    goal: str
    checks: Sequence[Check]


def _figure(group: str, line: str, key: str, samples: Samples) -> Found:
    return samples.median(group, line, key), ""


def _ratio(group: str, line: str, key: str, to: str, samples: Samples) -> Found:
    return samples.ratio(group, line, key, to), ""


def _beside_best(group: str, line: str, key: str, more: bool, samples: Samples) -> Found:
    """The ratio to the best of the peers, which is the least of all, or the most."""
    peers = [each for each in samples.lines(group) if each not in _NOT_PEERS]
    ratios = [(samples.ratio(group, line, key, each), each) for each in peers]
    found = [each for each in ratios if not math.isnan(each[0])]
    return (min if more else max)(found, default=(math.nan, ""))


def _most_of_line(group: str, line: str, samples: Samples) -> Found:
    """Whatever the size: the most of all columns."""
    keys = samples.found.get(group, {}).get(line, {})
    return max((samples.median(group, line, key) for key in keys), default=math.nan), ""


def _both(group: str, line: str, words: str, more: bool) -> Iterator[Check]:
    """Ahead of every peer, down and up."""
    for way in ("down", "up"):
        yield Check(
            words.format(way=way),
            partial(_beside_best, group, line, way, more),
            least=1.0 if more else -math.inf,
            most=math.inf if more else 1.0,
        )


def _of(least: float, group: str, line: str, to: str) -> Iterator[Check]:
    """So much of a reference, down and up."""
    for way in ("down", "up"):
        yield Check(f"{{:.2f}} {way}", partial(_ratio, group, line, way, to), least=least)


GOALS = (
    Goal(
        "one download, one upload, verification and durability off",
        "at least 1.0 of the bare loop down, 0.9 up; ahead of every peer both ways",
        (
            Check("{:.2f} down", partial(_ratio, "streams", _OFF, "down", _BARE), least=1.0),
            Check("{:.2f} up", partial(_ratio, "streams", _OFF, "up", _BARE), least=0.9),
            *_both("streams", _OFF, "{{:.2f}} of {{}} {way}", more=True),
        ),
    ),
    Goal(
        "the same as it comes (verified, durable on commit)",
        "at least 0.9 of itself with both off, on tmpfs",
        tuple(_of(0.9, "streams", "filesrv", _OFF)),
    ),
    Goal(
        "server CPU seconds for a GB, both ways",
        "no more than the best peer",
        tuple(
            Check(
                f"{line} {{:.2f}} of {{}} {way}",
                partial(_beside_best, "streams", name, f"cpu {way}", False),
                most=1.0,
            )
            for line, name in (("both off", _OFF), ("as it comes", "filesrv"))
            for way in ("down", "up")
        ),
    ),
    Goal(
        "the whole client command (start, 1 GiB, end)",
        "ahead of curl, lftp and rsync against their own servers; down and up",
        tuple(_both("commands", "filesrv", "{{:.2f}} of the time of {{}} {way}", more=False)),
    ),
    Goal(
        "5,000 files of 4 KiB, up and down, one command",
        "ahead of lftp with pyftpdlib and with vsftpd, and of rsync's daemon",
        tuple(_both("small", "filesrv", "{{:.2f}} of the time of {{}} {way}", more=False)),
    ),
    Goal(
        "ECHO sent ahead, replies a second",
        "at least 0.6 of a bare LineReceiver that echoes",
        (
            Check(
                "{:.2f}", partial(_ratio, "ahead", "filesrv", "replies", "bare LineReceiver"), 0.6
            ),
        ),
    ),
    Goal(
        "time of one ECHO while 4 uploads and 4 downloads run flat out",
        "p99 within 20 ms, p99.9 within 50 ms",
        (
            Check("p99 {:.1f} ms", partial(_figure, "loaded", _FLAT_OUT, "p99"), most=20),
            Check("p99.9 {:.1f} ms", partial(_figure, "loaded", _FLAT_OUT, "p99.9"), most=50),
        ),
    ),
    Goal(
        "64 downloads at once",
        "together no less than one alone; the slowest at least half of the mean",
        (
            Check(
                "{:.2f} of one alone",
                partial(_ratio, "together", "64 at once", "rate", "one alone"),
                least=1.0,
            ),
            Check(
                "slowest {:.2f} of the mean",
                partial(_figure, "together", "64 at once", "slowest"),
                least=0.5,
            ),
        ),
    ),
    Goal(
        "10,000 idle connections",
        "held, at most 12 KiB of memory each; ECHO on one more within twice its time on an "
        "empty server",
        (
            Check("{:,.0f} held", partial(_figure, "idle", "filesrv", "held")),
            Check("{:.1f} KiB each", partial(_figure, "idle", "filesrv", "memory"), most=12),
            Check("{:.2f} of the time", partial(_figure, "idle", "filesrv", "ratio"), most=2),
        ),
    ),
    Goal(
        "memory while a 20 GiB file moves (sparse file)",
        "at most 30 MiB over idle, at both ends",
        tuple(
            Check(
                f"{way}: {end} {{:.1f}} MiB",
                partial(_figure, "memory", way, end),
                most=30,
            )
            for way in ("upload", "download")
            for end in ("server", "client")
        ),
    ),
    Goal(
        "going on with a transfer",
        "first byte within 3 round trips, whatever the size",
        tuple(
            Check(f"{line} {{:.1f}}", partial(_most_of_line, "going_on", line), most=3)
            for line in (
                "upload, the connection broke",
                "upload, the server was killed",
                "download, the connection broke",
                "download, the server was killed",
            )
        ),
    ),
    Goal(
        "TLS",
        "at least 0.9 of a bare pyOpenSSL loop",
        tuple(_of(0.9, "tls", _OFF, "bare pyOpenSSL loop")),
    ),
)


def goals_table(samples: Samples, emphasis: str) -> Table:
    """
    The goals, and what was found.

    @param emphasis: what stands around that which falls short.
    """
    lines = [["", "Goal", "Found", "Holds"]]
    for goal in GOALS:
        said = [found for check in goal.checks if (found := check.said(samples))]
        words = [each if holds else f"{emphasis}{each}{emphasis}" for each, holds in said]
        holds = "yes" if all(holds for _, holds in said) else "no"
        lines.append([goal.what, goal.goal, "; ".join(words), holds if said else "not measured"])
    return lines
