"""
ECHO: sent ahead, and one at a time while everybody else moves files.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.synchronize import Event

from benchmarks.servers.base import Server
from benchmarks.servers.ours import Line
from benchmarks.support.bench import MIB, Bench
from benchmarks.support.samples import Column, Figures, Group, Row
from benchmarks.support.wire import connect, receive, send

__all__ = ["AHEAD", "LOADED", "percentile", "round_trips"]

#: What is echoed.
_TEXT = b"is anybody there"

#: How many move files at once, each way.
_EACH_WAY = 4

#: Bytes of each file that is moved meanwhile: commits and new beginnings are part of it.
_MOVED = 64 * MIB

#: Seconds between two round trips, so that they meet everything else by chance.
_PAUSE = 0.001

_forked = multiprocessing.get_context("fork")


def _ahead(bench: Bench, server: Server, line: bytes, greeted: bool) -> Figures:
    """Send all lines without waiting, and take all replies."""
    count = bench.sizes.echoes
    with connect(server.port) as connection:
        if greeted:
            receive(connection, len(connection.recv(4096, socket.MSG_PEEK)))
        lines = line * count
        sender = threading.Thread(target=connection.sendall, args=(lines,))
        reply = line.removeprefix(b"ECHO ")
        started = time.perf_counter()
        sender.start()
        tail = receive(connection, len(reply) * count)
        seconds = time.perf_counter() - started
        sender.join()
    assert (reply * count).endswith(tail), "other bytes"
    return {"replies": count / seconds}


def _ahead_rows(bench: Bench) -> Sequence[Row]:
    ours, bare = bench.server("filesrv"), bench.server("bare LineReceiver")
    return [
        Row(bare.name, partial(_ahead, bench, bare, _TEXT + b"\n", greeted=False)),
        Row(ours.name, partial(_ahead, bench, ours, b"ECHO " + _TEXT + b"\n", greeted=True)),
    ]


def round_trips(line: Line, seconds: float = 0, count: int = 0) -> list[float]:
    """The seconds that ECHOs took, each sent after the last was answered."""
    took: list[float] = []
    until = time.perf_counter() + seconds
    while len(took) < count or time.perf_counter() < until:
        started = time.perf_counter()
        assert line.ask("ECHO a") == "a"
        took.append(time.perf_counter() - started)
        time.sleep(_PAUSE)
    return sorted(took)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Of figures in order: the one that so large a share of them is not above."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _move(bench: Bench, server: Server, number: int, stop: Event) -> None:
    """In a process of its own: move files until told to stop."""
    # Ten more, so that it is not this machine's other clients that the ECHO waits for.
    os.nice(10)
    name, source, digest = f"moved-{number}", bench.source(_MOVED), bench.digest(_MOVED)
    session = server.session()
    while not stop.is_set():
        if number % 2:
            send(session.store(name, _MOVED, digest), source, _MOVED)
            session.stored()
        else:
            connection, length = session.fetch(bench.published(server, _MOVED))
            receive(connection, length)
            session.fetched()
    session.close()


@contextmanager
def _flat_out(bench: Bench, server: Server) -> Iterator[None]:
    """Uploads and downloads run within the block."""
    bench.digest(_MOVED)
    stop = _forked.Event()
    movers = [
        _forked.Process(target=_move, args=(bench, server, number, stop))
        for number in range(2 * _EACH_WAY)
    ]
    for mover in movers:
        mover.start()
    try:
        yield
    finally:
        stop.set()
        for mover in movers:
            mover.join(60)
            assert mover.exitcode == 0, "an upload or a download failed"
        for moved in server.root.glob("moved-*"):
            moved.unlink()


def _among_others(bench: Bench, server: Server) -> Figures:
    with _flat_out(bench, server):
        line = Line(server.port)
        time.sleep(0.2)  # Until all of them run.
        took = round_trips(line, seconds=bench.sizes.loaded)
        line.close()
    return _in_milliseconds(took)


def _alone(bench: Bench, server: Server) -> Figures:
    line = Line(server.port)
    took = round_trips(line, seconds=bench.sizes.loaded / 4)
    line.close()
    return _in_milliseconds(took)


def _in_milliseconds(took: Sequence[float]) -> Figures:
    shares = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "longest": 1.0}
    return {key: percentile(took, share) * 1000 for key, share in shares.items()}


def _loaded_rows(bench: Bench) -> Sequence[Row]:
    server = bench.server("filesrv")
    return [
        Row("nobody else there", partial(_alone, bench, server)),
        Row("4 uploads and 4 downloads", partial(_among_others, bench, server)),
    ]


AHEAD = Group(
    key="ahead",
    title="ECHO sent ahead",
    about="100,000 lines sent without waiting for replies.",
    columns=(Column("replies", "replies/s", "{:,.0f}", ratio=True),),
    rows=_ahead_rows,
    reference="bare LineReceiver",
)

LOADED = Group(
    key="loaded",
    title="One ECHO while others move files",
    about="Milliseconds from sending it to its reply; verified transfers of 64 MiB, one after "
    "the other.",
    columns=tuple(
        Column(key, f"{key} (ms)", "{:.2f}") for key in ("p50", "p99", "p99.9", "longest")
    ),
    rows=_loaded_rows,
)
