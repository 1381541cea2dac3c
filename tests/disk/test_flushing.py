from __future__ import annotations

import os
import select
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from filesrv.disk.flushing import Flushing, KernelFlushing, flushing
from tests.support.hand_reactor import HandReactor


class Bench:
    """Flushes, over a reactor that waits for the kernel when the test says so."""

    def __init__(self, make: Callable[[Any], Flushing]) -> None:
        self.reactor = HandReactor()
        self.flushing = make(self.reactor)

    def outcomes(self, flushes: list[Deferred[None]]) -> list[object]:
        found: list[object] = []
        for each in flushes:
            each.addBoth(found.append)
        while self.reactor.readers:
            select.select(self.reactor.readers, [], [])
            self.reactor.turn()
        return found


def _by_kernel(reactor: Any) -> Flushing:
    return KernelFlushing(reactor, instant=0.0)


@pytest.fixture(
    params=[_by_kernel, flushing, lambda reactor: Flushing()], ids=["kernel", "at once", "plain"]
)
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(request.param)


def test_many_files_and_their_directory_are_flushed_though_closed_meanwhile(
    bench: Bench, tmp_path: Path
) -> None:
    flushes = []
    for number in range(600):
        descriptor = os.open(tmp_path / f"f{number}", os.O_RDWR | os.O_CREAT)
        os.write(descriptor, b"content")
        flushes.append(bench.flushing.flush(descriptor))
        os.close(descriptor)
    directory = os.open(tmp_path, os.O_RDONLY)
    flushes.append(bench.flushing.flush(directory))
    os.close(directory)

    assert bench.outcomes(flushes) == [None] * 601


def test_what_cannot_be_flushed_is_said(bench: Bench) -> None:
    reading, writing = os.pipe()
    [outcome] = bench.outcomes([bench.flushing.flush(writing)])
    os.close(reading)
    os.close(writing)

    assert isinstance(outcome, Failure)
    assert outcome.check(OSError)
