"""How many moments the daemon is killed at, and a place for it to live."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.faults.lives import Lives
from tests.faults.tally import Tally

_TALLY = pytest.StashKey[Tally]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults", "tests/faults, where these are given with that directory")
    group.addoption("--moments", type=int, default=None, help="kill the daemon so many times")
    group.addoption("--seed", type=int, default=None, help="another seed, for other moments")


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    return request.config.stash.setdefault(_TALLY, Tally())


def pytest_sessionfinish(session: pytest.Session) -> None:
    # Of several processes, each tells its part to the one that sums up.
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["faults"] = asdict(session.config.stash.get(_TALLY, Tally()))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    tally = node.config.stash.setdefault(_TALLY, Tally())
    tally.add(Tally(**getattr(node, "workeroutput", {}).get("faults", {})))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    tally = config.stash.get(_TALLY, None)
    if tally is not None and config.getoption("--moments", default=None):
        terminalreporter.write_line(str(tally))


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[Lives]:
    with Lives(tmp_path / "root", tmp_path / "log") as made:
        yield made
