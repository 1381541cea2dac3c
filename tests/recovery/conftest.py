"""
What breaks is broken once, much of it at the same time, and many tests look at it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.recovery.endings import Told, tell_endings
from tests.recovery.scenarios import QUICK, SCENARIOS, Measured, Settings
from tests.recovery.terminal import Seen, see_healed_while_asked, see_yes_then_no

#: Outages at the same time.  Nearly all of it is waiting, but every one of them starts
#: three processes, and who starts too many at once is late for the moments to measure.
AT_ONCE = 8

_Outages = Mapping[str, Future[Any]]
_Begin = Callable[[Settings, Path], Any]


def _begin(happens: Mapping[str, _Begin], place: Path) -> Generator[_Outages]:
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        yield {
            key: pool.submit(run, QUICK, place / str(number))
            for number, (key, run) in enumerate(happens.items())
        }
    finally:
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="session")
def outages(tmp_path_factory: pytest.TempPathFactory) -> Generator[_Outages]:
    """Everything that happens to links, by its name."""
    # That which takes longest begins first.
    happens: dict[str, _Begin] = {"endings": tell_endings}
    happens |= {key: measure for key, (_, measure) in SCENARIOS.items()}
    yield from _begin(happens, tmp_path_factory.mktemp("links"))


@pytest.fixture(scope="session")
def screens(tmp_path_factory: pytest.TempPathFactory) -> Generator[_Outages]:
    """Everything that happens to terminals, by its name."""
    happens: dict[str, _Begin] = {
        "yes, then no": see_yes_then_no,
        "healed while asked": see_healed_while_asked,
    }
    yield from _begin(happens, tmp_path_factory.mktemp("screens"))


@pytest.fixture
def measured(outages: _Outages, key: str) -> Measured:
    """What came of the scenario that the test is for."""
    found: Measured = outages[key].result()
    return found


@pytest.fixture
def told(outages: _Outages) -> Told:
    """What the server told those who came back."""
    found: Told = outages["endings"].result()
    return found


@pytest.fixture
def refused(screens: _Outages) -> Seen:
    """The terminal whose user said yes first, and then no."""
    found: Seen = screens["yes, then no"].result()
    return found


@pytest.fixture
def healed(screens: _Outages) -> Seen:
    """The terminal of which the link healed while the question stood there."""
    found: Seen = screens["healed while asked"].result()
    return found
