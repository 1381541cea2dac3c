"""A rate that many flows share."""

from __future__ import annotations

from math import inf

import pytest
from twisted.internet.task import Clock

from filesrv.transfer.pace import DOWN, UP, Bandwidth, Pace, Turn

RATE = 1_000_000.0


class Flow:
    """
    Moves as much as it may, and as its own link lets it.

    @ivar moved: bytes.
    """

    def __init__(self, clock: Clock, bandwidth: Bandwidth, link: float = inf) -> None:
        self.share = bandwidth.share()
        self.moved = 0
        self._clock = clock
        self._link = link
        clock.callLater(self.share.begin(), self._move)

    def _move(self) -> None:
        if self.share.flowing:
            size = self.share.chunk
            self.moved += size
            self._clock.callLater(max(self.share.take(size), size / self._link), self._move)


def run(clock: Clock, seconds: float) -> None:
    clock.pump([0.01] * round(seconds * 100))


def test_alone_a_flow_has_all_of_it() -> None:
    clock = Clock()
    flow = Flow(clock, Bandwidth(clock, DOWN, RATE, inf))
    run(clock, 10)

    assert flow.moved == pytest.approx(10 * RATE, rel=0.05)


@pytest.mark.parametrize("count", [2, 3, 10, 100])
def test_all_flows_have_the_same_and_together_the_rate(count: int) -> None:
    clock = Clock()
    bandwidth = Bandwidth(clock, DOWN, RATE, inf)
    flows = [Flow(clock, bandwidth) for _ in range(count)]
    run(clock, 10)

    assert sum(flow.moved for flow in flows) == pytest.approx(10 * RATE, rel=0.05)
    for flow in flows:
        assert flow.moved == pytest.approx(10 * RATE / count, rel=0.1)


def test_what_a_slow_flow_leaves_the_others_have() -> None:
    clock = Clock()
    bandwidth = Bandwidth(clock, DOWN, RATE, inf)
    slow = Flow(clock, bandwidth, link=RATE / 10)
    others = [Flow(clock, bandwidth) for _ in range(2)]
    run(clock, 10)

    assert slow.moved == pytest.approx(RATE, rel=0.1)
    for flow in others:
        assert flow.moved == pytest.approx(4.5 * RATE, rel=0.1)


def test_who_comes_later_has_its_share_at_once_and_who_leaves_makes_room() -> None:
    clock = Clock()
    bandwidth = Bandwidth(clock, DOWN, RATE, inf)
    first = Flow(clock, bandwidth)
    run(clock, 5)
    second = Flow(clock, bandwidth)
    run(clock, 5)
    assert second.moved == pytest.approx(2.5 * RATE, rel=0.1)
    first.share.end()
    run(clock, 5)

    assert second.moved == pytest.approx(7.5 * RATE, rel=0.1)
    assert bandwidth.flows == 1


def test_none_has_more_than_one_may_have() -> None:
    clock = Clock()
    bandwidth = Bandwidth(clock, DOWN, RATE, RATE / 4)
    flows = [Flow(clock, bandwidth) for _ in range(2)]
    run(clock, 10)

    for flow in flows:
        assert flow.moved == pytest.approx(2.5 * RATE, rel=0.05)


def test_what_was_taken_before_is_waited_for_by_the_next_flow() -> None:
    clock = Clock()
    share = Bandwidth(clock, DOWN, inf, RATE).share()
    assert share is not None
    share.begin()
    share.take(int(RATE))
    share.end()

    assert share.begin() == pytest.approx(1.0)


@pytest.mark.parametrize("turn", [DOWN, UP])
def test_where_nothing_is_bounded_nobody_waits_and_all_share_a_turn(turn: Turn) -> None:
    bandwidth = Bandwidth(Clock(), turn, inf, inf)
    shares = [bandwidth.share() for _ in range(4)]
    assert shares[0].begin() == 0
    alone = shares[0].chunk
    assert [share.begin() for share in shares] == [0, 0, 0, 0]

    assert [share.take(share.chunk) for share in shares] == [0, 0, 0, 0]
    assert sum(share.chunk for share in shares) == turn.in_all
    for share in shares[1:]:
        share.end()
    assert shares[0].chunk == alone


def test_nobody_waits_for_less_than_a_clock_can_tell() -> None:
    clock = Clock()
    pace = Pace(clock, 1e9)

    assert pace.take(1) == 0
    assert pace.take(10_000) == pytest.approx(1e-5, rel=0.01)
