"""
What both ends hold in memory while a file passes that is far larger.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.servers.ours import AsItComes
from benchmarks.support.bench import GIB, MIB, Bench
from benchmarks.support.clients import FILES, start
from benchmarks.support.processes import peak_memory
from benchmarks.support.samples import Column, Figures, Group, Row

__all__ = ["MEMORY"]

#: Seconds between two looks at what a client holds; the kernel keeps the peak.
_LOOK = 0.01

#: A file that is here and gone: what a client holds that moves next to nothing.
_NEXT_TO_NOTHING = 4096

#: What has to be free on the disk beside the file.
_TO_SPARE = 2 * GIB


def _sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def _client_peak(bench: Bench, server: AsItComes, way: str, here: Path, there: str) -> int:
    """The most that the command held."""
    make = FILES[0].up if way == "upload" else FILES[0].down
    peak = 0
    with start(make(server.port, here, there), bench.home) as running:
        while running.poll() is None:
            try:
                peak = max(peak, peak_memory(running.pid))
            except (ProcessLookupError, FileNotFoundError):
                break  # It is about to end.
            time.sleep(_LOOK)
        said, _ = running.communicate()
    assert running.returncode == 0, said
    return peak


def _measure(bench: Bench, way: str, size: int) -> Figures:
    place = bench.disk / f"{bench.place.name}-{way}"
    place.mkdir()
    server = AsItComes()
    server.start(place / "server")
    source = place / "source" if way == "upload" else server.root / "source"
    target = place / "target" if way == "download" else place / "source"
    try:
        peaks = []
        for each in (_NEXT_TO_NOTHING, size):
            idle = peak_memory(server.pid)
            _sparse(source, each)
            started = time.perf_counter()
            peaks.append(_client_peak(bench, server, way, target, "source"))
            seconds = time.perf_counter() - started
        arrived = server.root / "source" if way == "upload" else target
        assert arrived.stat().st_size == size, "it did not arrive"
        return {
            "size": size / GIB,
            "server": (peak_memory(server.pid) - idle) / MIB,
            "client": (peaks[1] - peaks[0]) / MIB,
            "rate": size / MIB / seconds,
        }
    finally:
        server.stop()
        shutil.rmtree(place)


def _rows(bench: Bench) -> Sequence[Row]:
    size = min(bench.sizes.sparse, shutil.disk_usage(bench.disk).free - _TO_SPARE)
    if size < bench.sizes.sparse:
        bench.lacks(f"{bench.disk} has no room for more than {size // MIB} MiB")
    return [Row(way, partial(_measure, bench, way, size)) for way in ("upload", "download")]


MEMORY = Group(
    key="memory",
    title="Memory while a large file moves",
    about="A sparse file, on a disk; the peak of each end over what it is with 4 KiB.",
    columns=(
        Column("size", "GiB", "{:g}"),
        Column("server", "MiB more at the server", "{:.1f}"),
        Column("client", "MiB more at the client", "{:.1f}"),
        Column("rate", "MiB/s"),
    ),
    rows=_rows,
    most_rounds=1,
)
