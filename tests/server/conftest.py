"""Servers in memory, conversations with them, and what they log."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.logger import LogLevel

from tests.support.logs import Log, collecting
from tests.support.memory import Server
from tests.support.scripted import Conversation


@pytest.fixture(scope="session", autouse=True)
def _collect_quickly() -> None:
    """Leave what was there before the tests out of every later collection."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def log() -> Iterator[Log]:
    """What is logged; a fault of the server fails a test that did not expect it."""
    with collecting() as found:
        yield found
        gc.collect()  # Twisted logs an unhandled failure when its Deferred goes.
    faults = [event for event in found.events if event["log_level"] is LogLevel.critical]
    assert len(faults) == found.faults_expected, [found.text(event) for event in faults]


@pytest.fixture
def conversation(tmp_path: Path) -> Conversation:
    return Conversation(tmp_path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "root")
    yield made
    made.close()
