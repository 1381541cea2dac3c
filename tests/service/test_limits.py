"""The limits as options, and what the system allows of them."""

from __future__ import annotations

from math import inf

import pytest

from filesrv.server.limits import DEFAULTS, Limits
from filesrv.service.descriptors import fitted
from filesrv.service.options import Options
from filesrv.service.options.limits import limits_of


def parsed(*arguments: str) -> Options:
    options = Options()
    options.parseOptions(list(arguments))
    return options


def test_without_options_the_limits_are_the_documented_ones() -> None:
    assert limits_of(parsed()) == DEFAULTS


@pytest.mark.parametrize("switched_off", ["none", "0"])
def test_a_limit_may_be_switched_off(switched_off: str) -> None:
    limits = limits_of(
        parsed(f"--max-connections={switched_off}", f"--idle-timeout={switched_off}")
    )
    assert (limits.connections, limits.idle_timeout) == (inf, inf)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--max-connections=many", "--max-connections takes a whole number"),
        ("--max-connections=-1", "--max-connections takes a whole number"),
        ("--idle-timeout=soon", "--idle-timeout takes a number"),
    ],
)
def test_a_wrong_limit_is_said_to_be(option: str, said: str) -> None:
    with pytest.raises(SystemExit, match=said):
        parsed(option)


@pytest.mark.parametrize(
    ("descriptors", "connections", "transfers"),
    [(1_000_000, 10_000, 494_936), (20_000, 10_000, 4_936), (1024, 672, 112), (64, 24, 4)],
)
def test_connections_and_transfers_are_no_more_than_there_are_descriptors_for(
    descriptors: int, connections: int, transfers: int
) -> None:
    limits = fitted(Limits(), descriptors)

    assert (limits.connections, limits.transfers) == (connections, transfers)
