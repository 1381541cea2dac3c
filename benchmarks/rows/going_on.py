"""
Going on with a transfer that broke off: how many round trips there are from the new
connection to the first byte of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from benchmarks.rows.many import size_name
from benchmarks.servers.ours import AsItComes
from benchmarks.support.bench import FULL, QUICK, Bench
from benchmarks.support.clients import FILES, start
from benchmarks.support.files import assert_same
from benchmarks.support.machine import SERVER, on
from benchmarks.support.relay import DELAY, Relay
from benchmarks.support.samples import Column, Figures, Group, Row

__all__ = ["GOING_ON"]

_PATIENCE = 120.0


def _broke(server: AsItComes, relay: Relay) -> None:
    relay.cut()


def _killed(server: AsItComes, relay: Relay) -> None:
    server.daemon.kill()
    relay.cut()
    with on(SERVER):
        server.daemon.restart()


_BREAKS: dict[str, Callable[[AsItComes, Relay], None]] = {
    "the connection broke": _broke,
    "the server was killed": _killed,
}


def _measure(bench: Bench, server: AsItComes, way: str, deed: str, size: int) -> Figures:
    """Have the command move a file, break it at 95 %, and see it through."""
    client = FILES[0]
    source, here, there = bench.source(size), bench.place / "gone-on", server.root / "gone-on"
    with Relay(server.port) as relay:
        relay.hold_after(size * 95 // 100)
        through = relay.port
        command = (
            client.up(through, source, there.name)
            if way == "upload"
            else client.down(through, here, bench.published(server, size))
        )
        with start(command, bench.home) as running:
            try:
                assert relay.reached.wait(_PATIENCE), f"{way} does not get to its middle"
                _BREAKS[deed](server, relay)
                said = running.communicate(timeout=_PATIENCE)
                assert running.returncode == 0, said
            finally:
                running.kill()
        trips = relay.passages[-1].round_trips
    arrived = there if way == "upload" else here
    assert_same(source, arrived)
    arrived.unlink()
    return {str(size): trips}


def _rows(bench: Bench) -> Sequence[Row]:
    place = bench.place / "going-on"
    place.mkdir()
    server = AsItComes()
    server.start(place)
    bench.at_end(server.stop)
    return [
        Row(f"{way}, {deed}", partial(_measure, bench, server, way, deed, size))
        for way in ("upload", "download")
        for deed in _BREAKS
        for size in bench.sizes.resumed
    ]


GOING_ON = Group(
    key="going_on",
    title="Going on with a transfer",
    about="Round trips from the connection's first packet to the first byte of the file at "
    f"its other end, that of the handshake included: the command filesrv, {DELAY * 1000:g} ms "
    "away each way, broken off at 95 %.",
    columns=tuple(
        Column(str(size), size_name(size), "{:.1f}")
        for size in sorted({*FULL.resumed, *QUICK.resumed})
    ),
    rows=_rows,
    most_rounds=3,
)
