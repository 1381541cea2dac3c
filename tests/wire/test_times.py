"""Times on the wire."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesrv.wire.errors import BadArguments
from filesrv.wire.times import NANOSECONDS, local_time, parse_time, utc_time

#: From the year 1 to the end of 9999.
WRITABLE = st.integers(-62135596800 * NANOSECONDS, 253402300800 * NANOSECONDS - 1)


@pytest.fixture
def kathmandu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose zone is not of whole hours; written out, for zone data may be missing."""
    monkeypatch.setenv("TZ", "<+0545>-5:45")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@given(WRITABLE)
def test_a_time_reads_back_to_the_nanosecond(nanoseconds: int) -> None:
    assert parse_time(utc_time(nanoseconds)) == nanoseconds


@given(st.integers(-(2**63), 2**63 * 1000))
def test_any_time_of_a_file_system_can_be_written(nanoseconds: int) -> None:
    parse_time(utc_time(nanoseconds))


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_500_000_000, "1970-01-01T00:00:01.5Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (10 * NANOSECONDS, "1970-01-01T00:00:10Z"),
        (-60_000_000_000 * NANOSECONDS, "0068-09-03T13:20:00Z"),
        (10**30, "9999-12-31T23:59:59Z"),
        (-(10**30), "0001-01-01T00:00:00Z"),
    ],
)
def test_a_time_is_written_in_utc_without_digits_that_say_nothing(
    nanoseconds: int, text: str
) -> None:
    assert utc_time(nanoseconds) == text


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("2026-11-20T10:30:00+02:00", "2026-11-20T08:30:00Z"),
        ("2026-11-20T00:30:00-05:30", "2026-11-20T06:00:00Z"),
        ("2026-11-20t10:30:00z", "2026-11-20T10:30:00Z"),
        ("2026-11-20 10:30:00Z", "2026-11-20T10:30:00Z"),
        ("2026-11-20T10:30:00.1234567891Z", "2026-11-20T10:30:00.123456789Z"),
        ("2026-11-20T10:30:00-00:00", "2026-11-20T10:30:00Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00Z"),
    ],
)
def test_every_way_to_write_a_time_of_rfc_3339_is_read(text: str, same_as: str) -> None:
    assert utc_time(parse_time(text)) == same_as


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1700000000",
        "2026-11-20",
        "2026-11-20T10:30:00",
        "2026-11-20T10:30Z",
        "2026-11-20T10:30:00.Z",
        "2026-11-20T10:30:00+0200",
        "2026-11-20T10:30:00+24:00",
        "2026-11-20T10:30:00+02:60",
        "2026-11-20T24:00:00Z",
        "2026-11-20T10:60:00Z",
        "2026-11-20T10:30:61Z",
        "2026-11-20T10:30:99Z",
        "2026-02-29T10:30:00Z",
        "2026-13-01T10:30:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:60Z",
        " 2026-11-20T10:30:00Z",
        "2026-11-20T10:30:00Z\n",
        "٢٠٢٦-11-20T10:30:00Z",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(BadArguments):
        parse_time(text)


@pytest.mark.usefixtures("kathmandu")
def test_the_servers_time_has_its_offset() -> None:
    assert local_time(0) == "1970-01-01T05:45:00+05:45"
    assert parse_time(local_time(1_790_000_000.9)) == 1_790_000_000 * NANOSECONDS
