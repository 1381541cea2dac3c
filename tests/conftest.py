"""
What holds for every test: where C{CI=true}, nothing may be left out.

A test that skips itself because a program is missing says nothing there, so a skip and
an expected failure both count as failures.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.daemon import Daemon

# A busy machine is slow now and then, and no property here is about time.
settings.register_profile(
    "filesrv", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
#: ``pytest --hypothesis-profile thorough``: for whoever has an hour.
settings.register_profile("thorough", settings.get_profile("filesrv"), max_examples=10_000)
settings.load_profile("filesrv")

_NOTHING_IS_LEFT_OUT = os.environ.get("CI", "").lower() in ("1", "true", "yes")


def _refuse_to_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    expected_failure = hasattr(report, "wasxfail")
    if _NOTHING_IS_LEFT_OUT and (report.skipped or expected_failure):
        why = report.wasxfail if expected_failure else report.longrepr
        if expected_failure:
            del report.wasxfail
        report.outcome = "failed"
        report.longrepr = f"left out, which CI does not allow: {why}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_to_skip(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_to_skip(report)
    return report


@pytest.fixture
def daemon(tmp_path: Path) -> Generator[Daemon]:
    """A real daemon on a free port of this machine, with nothing in its root."""
    with Daemon(tmp_path / "root") as running:
        yield running
