"""
The registry: what is done when a transfer begins, breaks and ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from filesrv.store.registry import Direction, Registry, Unfinished
from filesrv.wire.endings import Ending

#: Unfinished transfers that are there already.
OTHERS = 1000


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    registry = Registry(str(tmp_path / "registry"), Clock(), keep=86400.0)
    for number in range(OTHERS):
        _break_off(registry, f"other-{number}")
    yield registry
    registry.close()


def _break_off(registry: Registry, name: str) -> None:
    """A transfer begins, is recorded, and its connection breaks."""
    row = Unfinished("127.0.0.1", name, Direction.UPLOAD, f"id-{name}", 3_000_000)
    claim = registry.claim(row, on_taken_over=lambda: None)
    registry.record(claim)
    registry.release(claim, Ending.RESET)


def test_a_transfer_that_breaks_off_is_written(benchmark: Any, registry: Registry) -> None:
    numbers = count()
    benchmark(lambda: _break_off(registry, f"new-{next(numbers)}"))


def test_a_transfer_is_found_among_a_thousand(benchmark: Any, registry: Registry) -> None:
    found = benchmark(registry.find, "127.0.0.1", "other-500", Direction.UPLOAD)
    assert found is not None
    assert found.size == 3_000_000


def test_a_transfer_is_finished_and_forgotten(benchmark: Any, registry: Registry) -> None:
    def begin_and_finish() -> None:
        row = Unfinished("127.0.0.1", "one", Direction.UPLOAD, "id-one", 3_000_000)
        claim = registry.claim(row, on_taken_over=lambda: None)
        registry.record(claim)
        registry.finish(claim)

    benchmark(begin_and_finish)
    assert registry.find("127.0.0.1", "one", Direction.UPLOAD) is None
