"""The time as one line that a person reads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesrv.wire.daytime import daytime_line, parse_daytime
from filesrv.wire.errors import BadArguments


@pytest.fixture
def kathmandu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose zone is not of whole hours; written out, for zone data may be missing."""
    monkeypatch.setenv("TZ", "<+0545>-5:45")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def newfoundland(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A zone behind UTC."""
    monkeypatch.setenv("TZ", "<-0330>3:30")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("kathmandu")
def test_the_line_is_the_local_time_with_its_offset() -> None:
    assert daytime_line(1795173045.9) == "Friday, November 20, 2026 16:55:45+05:45"
    # In Greenwich it is still November.
    assert daytime_line(1796065200) == "Tuesday, December 1, 2026 00:45:00+05:45"


@pytest.mark.usefixtures("newfoundland")
def test_the_weekday_is_that_of_the_local_date() -> None:
    assert daytime_line(0) == "Wednesday, December 31, 1969 20:30:00-03:30"


@given(st.integers(-(10**10), 10**11))
def test_a_line_reads_back_to_the_second(seconds: int) -> None:
    line = daytime_line(seconds)
    assert parse_daytime(line) == seconds
    assert len(line) <= 72  # RFC 867 leaves it at that
    named = datetime.fromtimestamp(seconds, timezone.utc).astimezone()
    assert line.startswith(f"{named:%A}, ")


def test_a_time_of_rfc_3339_is_read_too() -> None:
    assert parse_daytime("2026-11-20T12:30:45.75+01:00\r\n") == 1795174245


@pytest.mark.parametrize(
    "line",
    [
        "",
        "hello",
        "61000 26-11-20 11:30:45 00 0 0 100.0 UTC(NIST) *",
        "Friday, November 20, 2026 11:30:45",
        "Friday, November 31, 2026 11:30:45+00:00",
        "Freitag, November 20, 2026 11:30:45+00:00",
        "Friday, November 20, 2026 11:30:45+00:00 x",
        "Friday, November ２０, 2026 11:30:45+00:00",
    ],
)
def test_other_forms_are_said_to_be_unknown(line: str) -> None:
    with pytest.raises(BadArguments, match="form of its own"):
        parse_daytime(line)
