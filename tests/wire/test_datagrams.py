"""What both ends of a service over UDP go by."""

from __future__ import annotations

import pytest

from filesrv.wire.datagrams import BURST, LARGEST, cost, line_of


@pytest.mark.parametrize(("size", "counts"), [(0, 1024), (1024, 1024), (1025, 1025)])
def test_a_small_datagram_counts_for_as_much_as_an_ethernet_frame(size: int, counts: int) -> None:
    assert cost(size) == counts


def test_several_of_the_largest_datagrams_are_answered_at_once() -> None:
    assert 16 * cost(LARGEST) <= BURST


def test_a_line_in_a_datagram_is_read_without_its_ending_whatever_its_bytes() -> None:
    assert line_of(b"hello\r\n") == "hello"
    assert line_of(b"\xff") == "\ufffd"
