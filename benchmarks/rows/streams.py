"""
One download and one upload: the plain client, and a server on a core of its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import partial

from benchmarks.servers.base import Server
from benchmarks.support.bench import MIB, Bench
from benchmarks.support.files import assert_same
from benchmarks.support.processes import cpu_seconds
from benchmarks.support.samples import Column, Figures, Group, Row
from benchmarks.support.wire import PIECE, receive, receive_checked, send

__all__ = ["CONTENDERS", "STREAMS", "download", "upload"]

#: Who has a session that the plain client can speak.
CONTENDERS = (
    "bare loop",
    "filesrv, both off",
    "filesrv",
    "vsftpd",
    "pyftpdlib",
    "Twisted FTP",
    "nginx",
)

_GB = 1e9


def download(bench: Bench, server: Server, size: int) -> Figures:
    """One file, and what it cost the server; its length and its last bytes are checked."""
    name, source = bench.published(server, size), bench.source(size)
    session = server.session()
    spent, started = cpu_seconds(server.pid), time.perf_counter()
    connection, length = session.fetch(name)
    tail = receive(connection, length)
    session.fetched()
    seconds, spent = time.perf_counter() - started, cpu_seconds(server.pid) - spent
    session.close()
    with source.open("rb") as file:
        assert length == size, f"{length} bytes"
        assert tail == os.pread(file.fileno(), PIECE, max(0, size - PIECE)), "other bytes"
    return {"down": size / MIB / seconds, "cpu down": spent / size * _GB}


def upload(bench: Bench, server: Server, size: int) -> Figures:
    """One file, and what it cost the server; all of it is checked, and then removed."""
    source, digest = bench.source(size), bench.digest(size)
    session = server.session()
    spent, started = cpu_seconds(server.pid), time.perf_counter()
    send(session.store("up", size, digest), source, size)
    session.stored()
    seconds, spent = time.perf_counter() - started, cpu_seconds(server.pid) - spent
    session.close()
    assert_same(source, server.root / "up")
    (server.root / "up").unlink()
    return {"up": size / MIB / seconds, "cpu up": spent / size * _GB}


def check(bench: Bench, server: Server, size: int) -> None:
    """Compare every byte of one download, which would take time from a measured one."""
    session = server.session()
    connection, length = session.fetch(bench.published(server, size))
    receive_checked(connection, length, bench.source(size))
    session.fetched()
    session.close()


def _rows(bench: Bench) -> Sequence[Row]:
    size = bench.sizes.stream
    rows = []
    for name in filter(bench.has, CONTENDERS):
        server = bench.server(name)
        check(bench, server, size)
        rows += [
            Row(name, partial(download, bench, server, size)),
            Row(name, partial(upload, bench, server, size)),
        ]
    return rows


STREAMS = Group(
    key="streams",
    title="One download, one upload",
    about="A plain socket client, which takes 256 KiB at a time or gives by sendfile, and "
    "the seconds of processor that the server spends for a gigabyte.",
    columns=(
        Column("down", "MiB/s down", ratio=True),
        Column("up", "MiB/s up", ratio=True),
        Column("cpu down", "CPU s/GB down", "{:.2f}"),
        Column("cpu up", "CPU s/GB up", "{:.2f}"),
    ),
    rows=_rows,
    reference="bare loop",
)
