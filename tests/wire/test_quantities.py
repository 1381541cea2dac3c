"""Amounts of bytes as people write them."""

from __future__ import annotations

import pytest

from filesrv.wire.quantities import parse_bytes, parse_rate


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", 0),
        ("1", 1),
        ("500k", 500_000),
        ("500K", 500_000),
        ("10M", 10_000_000),
        ("10MB", 10_000_000),
        ("1.5M", 1_500_000),
        ("2G", 2_000_000_000),
        ("3T", 3_000_000_000_000),
        ("1KiB", 1024),
        ("1GiB", 1024**3),
        ("0.5Mi", 512 * 1024),
        (" 7 ", 7),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_an_amount_may_have_a_prefix(text: str, amount: int) -> None:
    assert parse_bytes(text) == amount


@pytest.mark.parametrize("text", ["", "k", "-1", "1e3", "1 000", "1_000", "+5", "iB", "1i", "٣"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no amount of bytes"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("text", "rate"), [("1", 1), ("500k", 500_000), ("500kB/s", 500_000), ("1MiB/s", 1024**2)]
)
def test_a_rate_is_an_amount_a_second(text: str, rate: float) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "0", "k", "-1", "1e3", "fast", "1 000", "0.5", "/s"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no rate"):
        parse_rate(text)
