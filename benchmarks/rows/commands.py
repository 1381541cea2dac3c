"""
Whole commands: from the start of the program to its end.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.support.bench import Bench
from benchmarks.support.clients import DIRECTORIES, FILES, PARALLEL, Client, run
from benchmarks.support.files import assert_same, many_files, remove
from benchmarks.support.samples import Column, Figures, Group, Row

__all__ = ["COMMANDS", "SMALL"]


def _upload(bench: Bench, client: Client, source: Path) -> Figures:
    server = bench.server(client.server)
    there = server.root / "commanded"
    seconds = run(client.up(server.port, source, there.name), bench.home)
    # rsync puts a directory into the one that is named.
    assert_same(source, there / source.name if (there / source.name).is_dir() else there)
    remove(there)
    return {"up": seconds}


def _download(bench: Bench, client: Client, source: Path) -> Figures:
    server = bench.server(client.server)
    here = bench.place / "fetched"
    seconds = run(client.down(server.port, here, source.name), bench.home)
    assert_same(source, here / source.name if (here / source.name).is_dir() else here)
    remove(here)
    return {"down": seconds}


def _rows(clients: Sequence[Client], make: Callable[[Bench], Path], bench: Bench) -> Sequence[Row]:
    rows = []
    source = make(bench)
    for client in clients:
        if missing := client.missing():
            bench.lacks(f"{missing} is not installed")
        elif bench.has(client.server):
            root = bench.server(client.server).root
            if not (root / source.name).exists():
                _publish(source, root / source.name)
            rows += [
                Row(client.line, partial(_upload, bench, client, source)),
                Row(client.line, partial(_download, bench, client, source)),
            ]
    return rows


def _publish(source: Path, there: Path) -> None:
    """By hard links, so that it takes no more memory."""
    if source.is_dir():
        shutil.copytree(source, there, copy_function=_link)
    else:
        _link(str(source), str(there))


def _link(source: str, target: str) -> str:
    Path(target).hardlink_to(source)
    return target


def _one_file(bench: Bench) -> Path:
    return bench.source(bench.sizes.command)


def _directory(bench: Bench) -> Path:
    return many_files(bench.place / "small", bench.sizes.files)


COMMANDS = Group(
    key="commands",
    title="The whole command",
    about="One file of 1 GiB, from the start of the program to its end, in seconds.",
    columns=(
        Column("up", "s up", "{:.2f}", ratio=True),
        Column("down", "s down", "{:.2f}", ratio=True),
    ),
    rows=partial(_rows, FILES, _one_file),
)

SMALL = Group(
    key="small",
    title="Many small files",
    about="5,000 files of 4 KiB in ten directories by one command, in seconds; lftp mirrors "
    f"with --parallel={PARALLEL}.",
    columns=COMMANDS.columns,
    rows=partial(_rows, DIRECTORIES, _directory),
)
