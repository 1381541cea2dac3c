"""Bytes, seconds and rates, as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from filesrv.transfer.meter import Meter, format_bitrate, format_size
from filesrv.transfer.pace import TICK, Pace


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (0, "0bit/s"),
        (1, "1bit/s"),
        (999, "999bit/s"),
        (999.94, "1000bit/s"),
        (1000, "1.0kbit/s"),
        (1_234, "1.2kbit/s"),
        (999_949, "999.9kbit/s"),
        (999_950, "1.0Mbit/s"),
        (94_100_000, "94.1Mbit/s"),
        (999_999_999, "1.0Gbit/s"),
        (1e12, "1.0Tbit/s"),
        (1e15, "1.0Pbit/s"),
        (1e21, "1000000.0Pbit/s"),
    ],
)
def test_a_rate_has_the_prefixes_of_networks(rate: float, text: str) -> None:
    assert format_bitrate(rate) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (1024**2, "1.0 MiB"),
        (1.5 * 1024**3, "1.5 GiB"),
        (2**63 - 1, "8192.0 PiB"),
    ],
)
def test_a_size_has_the_prefixes_of_files(size: float, text: str) -> None:
    assert format_size(size) == text


@given(st.floats(0, 1e18))
def test_no_number_is_shown_with_more_digits_than_its_prefix_allows(value: float) -> None:
    digits = format_bitrate(value).rstrip("bit/skMGTP")

    assert float(digits) <= 1000


class TestMeter:
    def test_it_counts_from_its_making(self) -> None:
        clock = Clock()
        clock.advance(50)
        meter = Meter(clock)
        clock.advance(2.5)
        meter.moved = 1_000_000

        assert meter.fields() == {"seconds": "2.500", "bitrate": "3.2Mbit/s"}

    def test_no_time_at_all_is_no_division_by_zero(self) -> None:
        meter = Meter(Clock())
        assert meter.fields() == {"seconds": "0.000", "bitrate": "0bit/s"}
        meter.moved = 1000
        assert meter.fields() == {"seconds": "0.000", "bitrate": "8.0Gbit/s"}

    def test_a_clock_that_is_set_back_makes_nothing_negative(self) -> None:
        clock = Clock()
        clock.advance(1000)
        meter = Meter(clock)
        meter.moved = 1000
        clock.rightNow = 10

        assert meter.seconds == 0
        assert meter.bits_per_second > 0


class TestPace:
    @given(st.lists(st.integers(1, 5000), min_size=5, max_size=60), st.integers(100, 10**6))
    def test_the_mean_is_exact_whatever_the_chunks(self, counts: list[int], rate: int) -> None:
        clock = Clock()
        pace = Pace(clock, rate)
        for count in counts:
            clock.advance(pace.take(count))

        # What is owed for less than a clock can tell waits for the bytes that come next.
        assert clock.seconds() == pytest.approx(sum(counts) / rate, abs=2 * TICK)

    def test_time_that_was_not_used_is_saved_up_to_a_quarter_of_a_second(self) -> None:
        clock = Clock()
        pace = Pace(clock, 1000)
        clock.advance(3600)

        assert pace.take(250) == 0
        assert pace.take(100) == pytest.approx(0.1)

    def test_a_clock_that_is_set_back_costs_nothing(self) -> None:
        clock = Clock()
        clock.advance(1000)
        pace = Pace(clock, 1000)
        clock.rightNow = 10

        assert pace.take(100) == pytest.approx(0.1)
        clock.advance(0.1)
        assert pace.take(100) == pytest.approx(0.1)

    def test_chunks_are_a_twentieth_of_a_second_and_never_tiny(self) -> None:
        assert Pace(Clock(), 1_000_000).chunk == 50_000
        assert Pace(Clock(), 10).chunk == 1024
