"""What the user may set."""

from __future__ import annotations

import pytest

from filesrv.client.settings import parse_rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("1", 1),
        ("500k", 500_000),
        ("500K", 500_000),
        ("10M", 10_000_000),
        ("1.5M", 1_500_000),
        ("1G", 1_000_000_000),
        ("500kB/s", 500_000),
    ],
)
def test_a_rate_has_the_prefixes_of_networks(text: str, rate: float) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "0", "k", "-1", "1e3", "1T", "fast", "1 000", "0.5"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no rate"):
        parse_rate(text)
