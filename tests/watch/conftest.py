"""Servers in memory, and what they log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.logs import Log, collecting
from tests.support.memory import Server


@pytest.fixture
def log() -> Iterator[Log]:
    with collecting() as found:
        yield found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "root")
    yield made
    made.close()
