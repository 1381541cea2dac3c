"""How much each address may be answered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from filesrv.small_services.buckets import Buckets


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_new_address_has_a_full_bucket_and_no_more(clock: Clock) -> None:
    buckets = Buckets(clock, rate=10, burst=100)
    assert [buckets.take("a", 25) for _ in range(5)] == [True, True, True, True, False]


def test_a_bucket_fills_at_its_rate_up_to_its_size(clock: Clock) -> None:
    buckets = Buckets(clock, rate=10, burst=100)
    assert buckets.take("a", 100)
    clock.advance(2.5)
    assert not buckets.take("a", 26)
    assert buckets.take("a", 25)
    clock.advance(1000)
    assert buckets.take("a", 100)
    assert not buckets.take("a", 1)


def test_what_is_refused_costs_nothing(clock: Clock) -> None:
    buckets = Buckets(clock, rate=10, burst=100)
    assert not buckets.take("a", 101)
    assert buckets.take("a", 100)


def test_addresses_have_nothing_to_do_with_each_other(clock: Clock) -> None:
    buckets = Buckets(clock, rate=10, burst=100)
    assert buckets.take("a", 100)
    assert buckets.take("b", 100)


def test_full_buckets_are_forgotten(clock: Clock) -> None:
    buckets = Buckets(clock, rate=10, burst=100)
    for number in range(1000):
        clock.advance(1)
        assert buckets.take(f"address {number}", 10)
    assert len(buckets) <= 2


def test_no_more_than_so_many_are_kept_whoever_asks(clock: Clock) -> None:
    buckets = Buckets(clock, rate=10, burst=100, most=50)
    taken = [buckets.take(f"address {number}", 10) for number in range(100_000)]
    assert len(buckets) == 50
    # Who was here before keeps what it has, and newcomers wait for a place.
    assert taken == [True] * 50 + [False] * 99_950
    assert buckets.take("address 7", 90)
    assert not buckets.take("address 7", 1)
    clock.advance(1)
    assert buckets.take("somebody new", 10)


def test_forged_addresses_do_not_refill_a_bucket(clock: Clock) -> None:
    buckets = Buckets(clock, rate=10, burst=100, most=50)
    assert buckets.take("victim", 100)
    for number in range(1000):
        buckets.take(f"forged {number}", 1)
    assert not buckets.take("victim", 1)


def test_an_empty_bucket_does_not_keep_the_places_of_others_that_are_full(clock: Clock) -> None:
    buckets = Buckets(clock, rate=10, burst=100, most=50)
    assert buckets.take("emptied", 100)
    for number in range(49):
        assert buckets.take(f"forged {number}", 1)
    assert not buckets.take("somebody new", 1)
    clock.advance(0.1)
    assert buckets.take("somebody new", 1)
    assert len(buckets) == 2
    assert not buckets.take("emptied", 2)


def test_a_clock_that_is_set_back_locks_nobody_out(clock: Clock) -> None:
    buckets = Buckets(clock, rate=10, burst=100, most=2)
    assert buckets.take("a", 50)
    assert buckets.take("b", 50)
    clock.rightNow -= 86400.0
    assert not buckets.take("a", 1)
    clock.advance(10)
    assert buckets.take("a", 100)
    assert buckets.take("c", 100)


@given(st.lists(st.tuples(st.floats(0, 5), st.sampled_from("abc"), st.integers(1, 60))))
def test_nobody_ever_gets_more_than_the_burst_and_the_rate_allow(
    asked: list[tuple[float, str, int]],
) -> None:
    clock = Clock()
    buckets = Buckets(clock, rate=10, burst=100, most=2)
    given_out = dict.fromkeys("abc", 0)
    for pause, address, tokens in asked:
        clock.advance(pause)
        given_out[address] += tokens * buckets.take(address, tokens)
        assert given_out[address] <= 100 + 10 * clock.seconds() + 1e-6
        assert len(buckets) <= 2
