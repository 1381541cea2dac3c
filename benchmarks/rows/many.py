"""
Many at once, and files of all sizes: what the picture shows.
"""

from __future__ import annotations

import selectors
import socket
import statistics
import time
from collections.abc import Sequence
from functools import partial

from benchmarks.rows.streams import CONTENDERS
from benchmarks.servers.base import Server
from benchmarks.support.bench import FULL, GIB, MIB, QUICK, Bench
from benchmarks.support.samples import Column, Figures, Group, Row
from benchmarks.support.wire import receive, send

__all__ = ["CLIENTS", "COUNTS", "SIZES", "TOGETHER", "size_name"]

#: How many download at once.
COUNTS = (1, 4, 16, 64)

#: Bytes that are taken off one connection at a time.
_MOST = 4 * MIB

#: Seconds that a size is repeated for, about.
_LONG_ENOUGH = 0.1
_TYPICAL_RATE = 500 * MIB
_TYPICAL_START = 0.0005


def _together(bench: Bench, server: Server, count: int, total: int) -> tuple[float, list[float]]:
    """The bytes a second of so many downloads, all together and each one."""
    size = total // count
    name = bench.published(server, size)
    sessions = [server.session() for _ in range(count)]
    with selectors.DefaultSelector() as selector:
        started = time.perf_counter()
        for session in sessions:
            connection, length = session.fetch(name)
            assert length == size, f"{length} bytes"
            connection.setblocking(False)
            selector.register(connection, selectors.EVENT_READ, [size, session.fetched])
        seconds = _drain(selector, started)
    taken = time.perf_counter() - started
    for session in sessions:
        session.close()
    return total / taken, [size / each for each in seconds]


def _drain(selector: selectors.BaseSelector, started: float) -> list[float]:
    """
    The seconds until each had its last byte, and all of them had what comes behind it.

    The kernel drops what came (C{MSG_TRUNC} of tcp(7)): one process that copied it all would
    be measured instead of the server, whose clients have a machine each.
    """
    untouched, seconds = bytearray(_MOST), []
    while selector.get_map():
        for key, _ in selector.select(60):
            connection, waiting = key.fileobj, key.data
            assert isinstance(connection, socket.socket)
            left, fetched = waiting
            count = connection.recv_into(untouched, min(left, _MOST), socket.MSG_TRUNC)
            assert count, f"{left} bytes did not come"
            waiting[0] -= count
            if not waiting[0]:
                selector.unregister(connection)
                seconds.append(time.perf_counter() - started)
                connection.setblocking(True)
                fetched()
    return seconds


def _goal(bench: Bench, server: Server, count: int) -> Figures:
    rate, rates = _together(bench, server, count, bench.sizes.together)
    return {"rate": rate / MIB, "slowest": min(rates) / statistics.mean(rates)}


def _together_rows(bench: Bench) -> Sequence[Row]:
    server = bench.server("filesrv")
    return [
        Row("one alone", partial(_goal, bench, server, 1)),
        Row("64 at once", partial(_goal, bench, server, 64)),
    ]


def _clients(bench: Bench, server: Server, count: int) -> Figures:
    return {str(count): _together(bench, server, count, bench.sizes.stream)[0] / MIB}


def _clients_rows(bench: Bench) -> Sequence[Row]:
    # The loop serves one client after the other.
    names = [name for name in CONTENDERS if bench.has(name) and name != "bare loop"]
    return [
        Row(name, partial(_clients, bench, bench.server(name), count))
        for name in names
        for count in COUNTS
    ]


def size_name(size: int) -> str:
    """As people say it."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size // 1024} KiB"


def _repeats(size: int) -> int:
    return max(1, round(_LONG_ENOUGH / (_TYPICAL_START + size / _TYPICAL_RATE)))


def _sized_down(bench: Bench, server: Server, size: int) -> Figures:
    name, repeats = bench.published(server, size), _repeats(size)
    session = server.session()
    started = time.perf_counter()
    for _ in range(repeats):
        connection, length = session.fetch(name)
        receive(connection, length)
        session.fetched()
    seconds = time.perf_counter() - started
    session.close()
    return {f"down {size}": size * repeats / MIB / seconds}


def _sized_up(bench: Bench, server: Server, size: int) -> Figures:
    source, digest, repeats = bench.source(size), bench.digest(size), _repeats(size)
    session = server.session()
    started = time.perf_counter()
    for number in range(repeats):
        send(session.store(f"sized-{number}", size, digest), source, size)
        session.stored()
    seconds = time.perf_counter() - started
    session.close()
    for path in server.root.glob("sized-*"):
        path.unlink()
    return {f"up {size}": size * repeats / MIB / seconds}


def _sizes_rows(bench: Bench) -> Sequence[Row]:
    return [
        Row(name, partial(measure, bench, bench.server(name), size))
        for name in filter(bench.has, CONTENDERS)
        for size in bench.sizes.chart
        for measure in (_sized_down, _sized_up)
    ]


TOGETHER = Group(
    key="together",
    title="64 downloads at once",
    about="As many bytes together as one alone.",
    columns=(
        Column("rate", "MiB/s together", ratio=True),
        Column("slowest", "slowest ÷ mean", "{:.2f}"),
    ),
    rows=_together_rows,
    reference="one alone",
)

CLIENTS = Group(
    key="clients",
    title="Downloads at once",
    about="MiB/s of all together.",
    columns=tuple(Column(str(count), str(count)) for count in COUNTS),
    rows=_clients_rows,
    most_rounds=3,
)

#: All sizes of the long form and of the short one; what was not measured is not shown.
SIZES = Group(
    key="sizes",
    title="Files of all sizes",
    about="MiB/s, one file after the other in one session.",
    columns=tuple(
        Column(f"{way} {size}", f"{size_name(size)} {way}", "{:.3g}")
        for way in ("down", "up")
        for size in sorted({*FULL.chart, *QUICK.chart})
    ),
    rows=_sizes_rows,
    most_rounds=3,
)
