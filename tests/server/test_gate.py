"""Connections that are more than there may be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.address import UNIXAddress

from filesrv.server.limits import Limits
from tests.support.logs import Log
from tests.support.memory import Client, Server

FULL = b"ERR TOO_MANY_CONNECTIONS limit=3 the server has all that it takes\r\n"
FULL_FOR_YOU = b"ERR TOO_MANY_CONNECTIONS limit=2 your address has all that it may\r\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "root", limits=Limits(connections=3, connections_per_address=2))
    yield made
    made.close()


def was_let_in(client: Client) -> bool:
    return client.says(b"ECHO here\n").endswith(b"here\n")


def test_above_the_limit_one_line_is_said_and_the_connection_closed(server: Server) -> None:
    inside = [server.connect(f"192.0.2.{number}") for number in range(3)]

    outside = server.connect("192.0.2.9")
    assert (bytes(outside.received), outside.closed) == (FULL, True)
    assert all(was_let_in(client) for client in inside)


def test_when_one_leaves_another_may_come(server: Server) -> None:
    inside = [server.connect(f"192.0.2.{number}") for number in range(3)]
    inside[0].reset()

    assert was_let_in(server.connect("192.0.2.9"))
    assert server.connect("192.0.2.10").received == FULL


def test_whoever_was_turned_away_is_not_counted(server: Server) -> None:
    for _ in range(10):
        server.connect("192.0.2.1")

    assert was_let_in(server.connect("192.0.2.2"))


def test_one_address_has_fewer_than_all(server: Server) -> None:
    inside = [server.connect("192.0.2.1"), server.connect("::ffff:192.0.2.1")]

    outside = server.connect("192.0.2.1")
    assert (bytes(outside.received), outside.closed) == (FULL_FOR_YOU, True)
    assert all(was_let_in(client) for client in inside)
    inside[1].reset()
    assert was_let_in(server.connect("192.0.2.1"))


def test_a_whole_64_of_ipv6_counts_as_one_address(server: Server) -> None:
    for host in ("2001:db8::1", "2001:db8::ffff:0:0:2"):
        assert was_let_in(server.connect(host))

    assert server.connect("2001:db8:0:0:3::").received == FULL_FOR_YOU
    assert was_let_in(server.connect("2001:db8:0:1::1"))


def test_on_a_unix_socket_only_all_are_counted(server: Server) -> None:
    gate = server.factory.gate
    for _ in range(3):
        assert gate.refusal(None) is None
        gate.enter(None)

    assert gate.refusal(None) is not None
    assert server.factory.buildProtocol(UNIXAddress(None)) is not None
    for _ in range(3):
        gate.leave(None)


def test_a_flood_is_a_line_in_the_log_at_once_and_one_each_ten_seconds(
    server: Server, log: Log
) -> None:
    for _ in range(1000):
        server.connect("192.0.2.1")
    server.pass_time(10)
    for _ in range(500):
        server.connect("192.0.2.1")
    server.pass_time(60)

    assert [line for line in log.lines if "turned away" in line] == [
        "turned away 192.0.2.1: your address has all that it may (2 connections)",
        "turned away 997 more connections",
        "turned away 500 more connections",
    ]
