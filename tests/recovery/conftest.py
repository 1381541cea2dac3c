"""
What breaks is broken once, all of it at the same time, and many tests look at it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.recovery.endings import Told, tell_endings
from tests.recovery.scenarios import QUICK, SCENARIOS, Measured
from tests.recovery.terminal import Seen, see_healed_while_asked, see_yes_then_no

#: Outages at the same time.  Nearly all of it is waiting, but every one of them starts
#: three processes, and who starts too many at once is late for the moments to measure.
AT_ONCE = 12


@pytest.fixture(scope="session")
def outages(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, Future[Any]]]:
    """Everything that happens, by its name."""
    place = tmp_path_factory.mktemp("recovery")
    # Those that take longest begin first.
    happens: dict[str, Callable[..., Any]] = {
        "yes, then no": see_yes_then_no,
        "healed while asked": see_healed_while_asked,
        "endings": tell_endings,
        **{key: measure for key, (_, measure) in SCENARIOS.items()},
    }
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        yield {
            key: pool.submit(run, QUICK, place / str(number))
            for number, (key, run) in enumerate(happens.items())
        }
    finally:
        pool.shutdown(cancel_futures=True)


@pytest.fixture
def measured(outages: dict[str, Future[Any]], key: str) -> Measured:
    """What came of the scenario that the test is for."""
    found: Measured = outages[key].result()
    return found


@pytest.fixture
def told(outages: dict[str, Future[Any]]) -> Told:
    """What the server told those who came back."""
    found: Told = outages["endings"].result()
    return found


@pytest.fixture
def refused(outages: dict[str, Future[Any]]) -> Seen:
    """The terminal whose user said yes first, and then no."""
    found: Seen = outages["yes, then no"].result()
    return found


@pytest.fixture
def healed(outages: dict[str, Future[Any]]) -> Seen:
    """The terminal of which the link healed while the question stood there."""
    found: Seen = outages["healed while asked"].result()
    return found
