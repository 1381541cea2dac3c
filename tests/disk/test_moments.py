"""Which of two changes followed the other."""

from __future__ import annotations

import pytest

from filesrv.disk.moments import AT_ONCE, follows


@pytest.mark.parametrize(
    ("since", "so"), [(-1, False), (0, True), (AT_ONCE, True), (AT_ONCE + 1, False)]
)
def test_what_has_the_same_time_or_a_little_later_one_followed(since: int, so: bool) -> None:
    now = 1_800_000_000_123_456_789
    assert follows(now + since, now) is so
