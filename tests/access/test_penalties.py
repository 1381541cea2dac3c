"""What wrong passwords cost."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from filesrv.access.penalties import Cost, Penalties

HERE, THERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def penalties(clock: Clock) -> Penalties:
    return Penalties(clock, Cost(delay=1.0, attempts=5, block=300.0))


def test_each_wrong_password_costs_twice_as_much_as_the_one_before(penalties: Penalties) -> None:
    assert [penalties.failed(HERE, "ada") for _ in range(5)] == [1, 2, 4, 8, 16]


def test_after_several_there_is_a_block_for_that_user_from_there(penalties: Penalties) -> None:
    for _ in range(4):
        penalties.failed(HERE, "ada")
    assert not penalties.blocked(HERE, "ada")
    penalties.failed(HERE, "ada")

    assert penalties.blocked(HERE, "ada")
    assert not penalties.blocked(THERE, "ada")
    assert not penalties.blocked(HERE, "bob")


def test_who_tries_many_users_is_blocked_for_all(penalties: Penalties) -> None:
    for number in range(20):
        assert not penalties.blocked(HERE, "ada")
        assert penalties.failed(HERE, f"user{number}") == 1
    assert penalties.blocked(HERE, "ada")
    assert not penalties.blocked(THERE, "ada")


def test_a_block_ends_and_is_not_prolonged_by_knocking(penalties: Penalties, clock: Clock) -> None:
    for _ in range(5):
        penalties.failed(HERE, "ada")
    for _ in range(299):
        clock.advance(1)
        assert penalties.failed(HERE, "ada") == 30
    clock.advance(1)
    assert not penalties.blocked(HERE, "ada")
    assert penalties.failed(HERE, "ada") == 1


def test_the_right_password_makes_up_for_a_slip(penalties: Penalties) -> None:
    penalties.failed(HERE, "ada")
    penalties.failed(HERE, "ada")
    penalties.succeeded(HERE, "ada")

    assert penalties.failed(HERE, "ada") == 1


def test_an_account_of_ones_own_does_not_help_to_try_others(penalties: Penalties) -> None:
    for number in range(20):
        penalties.failed(HERE, f"user{number}")
        penalties.succeeded(HERE, "mallory")
    assert penalties.blocked(HERE, "mallory")


def test_a_network_of_ipv6_counts_as_one_address(penalties: Penalties) -> None:
    for number in range(5):
        penalties.failed(f"2001:db8:1:2::{number}", "ada")

    assert penalties.blocked("2001:db8:1:2:ffff::1", "ada")
    assert not penalties.blocked("2001:db8:1:3::1", "ada")


def test_a_unix_socket_is_an_address_too(penalties: Penalties) -> None:
    for _ in range(5):
        penalties.failed("uid:1000", "ada")
    assert penalties.blocked("uid:1000", "ada")


def test_what_is_remembered_is_bounded(penalties: Penalties) -> None:
    for number in range(12_000):
        penalties.failed(f"10.0.{number // 250}.{number % 250}", "x" * 4000)

    assert len(penalties._tallies) == 10_000
    assert all(len(user or "") <= 64 for _, user in penalties._tallies)


def test_no_number_of_them_is_too_many() -> None:
    penalties = Penalties(Clock(), Cost(delay=0.0, attempts=1000))
    for _ in range(2000):
        assert penalties.failed(HERE, "ada") in (0, 30)
