"""
TLS: filesrv behind an endpoint that encrypts, and a bare loop over pyOpenSSL.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.servers.bare import Bare
from benchmarks.servers.base import Server, module_command
from benchmarks.servers.ours import Unverified
from benchmarks.support.bench import MIB, Bench
from benchmarks.support.certificate import write_certificate
from benchmarks.support.files import assert_same
from benchmarks.support.processes import cpu_seconds
from benchmarks.support.samples import Column, Figures, Group, Row
from benchmarks.support.wire import PIECE, connect, receive
from tests.support.daemon import LOOPBACK

__all__ = ["TLS"]


class BareTls(Bare):
    """A bare pyOpenSSL loop."""

    name = "bare pyOpenSSL loop"
    modules = ("OpenSSL",)

    def command(self, place: Path) -> Sequence[str]:
        return module_command("tls_loop", self.port, self.root, place.parent / "pem")


class OursTls(Unverified):
    """filesrv, verification and durability off."""

    ports = (f"tls:{LOOPBACK}",)

    def start(self, place: Path) -> None:
        pem = str(place.parent / "pem")
        self.options = (*self.options, "--certificate", pem, "--key", pem)
        super().start(place)


@dataclass(frozen=True)
class Speech:
    """
    What is said around the bytes of a file.

    @ivar greeting: how many lines the server begins with.
    @ivar head: how many it says before the bytes of a file go either way.
    @ivar tail: how many behind the bytes that it gave.
    """

    server: Server
    down: str
    up: str
    greeting: int
    head: int
    tail: int


def _connected(server: Server) -> ssl.SSLSocket:
    # Whoever measures made the certificate.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connect(server.port))


def _take_lines(connection: socket.socket, count: int) -> list[bytes]:
    lines = []
    for _ in range(count):
        line = b""
        while not line.endswith(b"\n"):
            line += connection.recv(1)
        lines.append(line)
    return lines


def _download(bench: Bench, speech: Speech, size: int) -> Figures:
    name, source = bench.published(speech.server, size), bench.source(size)
    with _connected(speech.server) as connection:
        _take_lines(connection, speech.greeting)
        spent, started = cpu_seconds(speech.server.pid), time.perf_counter()
        connection.sendall(speech.down.format(name=name, size=size).encode())
        _take_lines(connection, speech.head)
        tail = receive(connection, size)
        _take_lines(connection, speech.tail)
        seconds = time.perf_counter() - started
        spent = cpu_seconds(speech.server.pid) - spent
    with source.open("rb") as file:
        assert tail == os.pread(file.fileno(), PIECE, max(0, size - PIECE)), "other bytes"
    return {"down": size / MIB / seconds, "cpu down": spent / size * 1e9}


def _upload(bench: Bench, speech: Speech, size: int) -> Figures:
    source, there = bench.source(size), speech.server.root / "up"
    with _connected(speech.server) as connection, source.open("rb", 0) as file:
        _take_lines(connection, speech.greeting)
        spent, started = cpu_seconds(speech.server.pid), time.perf_counter()
        connection.sendall(speech.up.format(name=there.name, size=size).encode())
        while piece := file.read(PIECE):
            connection.sendall(piece)
        said = _take_lines(connection, speech.head + 1)
        seconds = time.perf_counter() - started
        spent = cpu_seconds(speech.server.pid) - spent
    assert said[-1].startswith(b"OK"), said
    assert_same(source, there)
    there.unlink()
    return {"up": size / MIB / seconds, "cpu up": spent / size * 1e9}


def _rows(bench: Bench) -> Sequence[Row]:
    place = bench.place / "tls"
    place.mkdir()
    bare, ours = BareTls(), OursTls()
    if missing := bare.missing():
        bench.lacks(f"{missing} is not installed")
        return []
    write_certificate(place / "pem")
    for server in (bare, ours):
        (place / server.name).mkdir()
        server.start(place / server.name)
        bench.at_end(server.stop)
    speeches = (
        Speech(bare, "GET {name}\n", "PUT {name} {size}\n", 0, 0, 0),
        Speech(ours, "DOWNLOAD {name}\n", "UPLOAD {name} {size} 0\n", 1, 1, 1),
    )
    return [
        Row(speech.server.name, partial(measure, bench, speech, bench.sizes.stream))
        for speech in speeches
        for measure in (_download, _upload)
    ]


TLS = Group(
    key="tls",
    title="TLS",
    about="The client is Python's own ssl module.",
    columns=(
        Column("down", "MiB/s down", ratio=True),
        Column("up", "MiB/s up", ratio=True),
        Column("cpu down", "CPU s/GB down", "{:.2f}"),
        Column("cpu up", "CPU s/GB up", "{:.2f}"),
    ),
    rows=_rows,
    reference=BareTls.name,
)
