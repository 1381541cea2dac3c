"""The echo over UDP, without a socket."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from filesrv.small_services.guard import Guard
from filesrv.small_services.guarded import GuardedService
from filesrv.small_services.udp_echo import UDPEcho
from filesrv.wire.datagrams import BURST, LARGEST, RATE
from tests.small_services.conftest import OWN_PORT, ask, datagram, put_on_wire
from tests.support.logs import Log


@pytest.fixture
def echo(clock: Clock, start: Callable[[GuardedService], GuardedService]) -> GuardedService:
    return start(UDPEcho(clock, Guard(clock)))


@given(st.binary(max_size=2000))
def test_a_datagram_comes_back_as_it_was(data: bytes) -> None:
    clock = Clock()
    echo = UDPEcho(clock, Guard(clock))
    put_on_wire(echo)
    assert ask(echo, datagram(data)) == data
    echo.doStop()


@pytest.mark.parametrize("size", [0, LARGEST])
def test_the_smallest_and_the_largest_come_back(echo: GuardedService, size: int) -> None:
    assert ask(echo, datagram(bytes(size))) == bytes(size)


@pytest.mark.parametrize("port", [0, 1, 7, 13, 19, 53, 123, 1023])
def test_ports_that_services_have_are_not_answered(echo: GuardedService, port: int) -> None:
    assert ask(echo, datagram(port=port)) is None


def test_the_first_port_that_every_user_may_have_is_answered(echo: GuardedService) -> None:
    assert ask(echo, datagram(port=1024)) == b"hello"


@pytest.mark.parametrize("host", ["192.0.2.9", "192.0.2.1", "127.0.0.1", "2001:db8::7"])
def test_its_own_port_is_not_answered_whoever_has_it(echo: GuardedService, host: str) -> None:
    assert ask(echo, datagram(host=host, port=OWN_PORT)) is None


def test_two_echoes_that_are_set_on_each_other_stay_silent(
    clock: Clock, start: Callable[[GuardedService], GuardedService]
) -> None:
    here, there = (start(UDPEcho(clock, Guard(clock))) for _ in range(2))
    assert ask(here, datagram(host="192.0.2.10", port=OWN_PORT)) is None
    assert ask(there, datagram(host="192.0.2.9", port=OWN_PORT)) is None


@pytest.mark.parametrize("group", ["224.0.0.1", "239.255.255.250", "ff02::1", "::ffff:224.0.0.1"])
def test_what_was_sent_to_a_group_is_not_answered(echo: GuardedService, group: str) -> None:
    assert ask(echo, datagram(asked_at=group)) is None


@pytest.mark.parametrize("host", ["223.255.255.255", "240.0.0.1", "fe80::1", "::ffff:192.0.2.9"])
def test_what_was_sent_to_one_address_is_answered(echo: GuardedService, host: str) -> None:
    assert ask(echo, datagram(asked_at=host)) == b"hello"


def flood(echo: GuardedService, size: int, host: str, count: int) -> int:
    return sum(ask(echo, datagram(bytes(size), host=host)) is not None for _ in range(count))


def test_an_address_gets_a_burst_and_then_no_more_than_the_rate(
    echo: GuardedService, clock: Clock
) -> None:
    assert flood(echo, 10, "192.0.2.1", 5000) == BURST // 1024
    clock.advance(1)
    assert flood(echo, 10, "192.0.2.1", 5000) == RATE // 1024
    assert flood(echo, 10, "192.0.2.2", 1) == 1  # others do not suffer


def test_large_datagrams_are_fewer(echo: GuardedService) -> None:
    assert flood(echo, LARGEST, "192.0.2.1", 100) == BURST // LARGEST


def test_a_network_of_ipv6_is_one_sender(echo: GuardedService) -> None:
    assert flood(echo, 10, "2001:db8:0:1::1", 2000) == BURST // 1024
    assert flood(echo, 10, "2001:db8:0:1:ffff::2", 1) == 0
    assert flood(echo, 10, "2001:db8:0:2::1", 1) == 1
    assert flood(echo, 10, "fe80::1%eth0", 1) == 1


def test_no_more_bytes_go_out_than_came_in(echo: GuardedService) -> None:
    came = went = 0
    for number in range(3000):
        data = bytes(number % 1500)
        came += len(data)
        went += len(ask(echo, datagram(data, port=1000 + number)) or b"")
    assert 0 < went <= came


def test_what_the_system_does_not_send_is_no_error(echo: GuardedService, log: Log) -> None:
    echo.transport.works = False
    assert ask(echo, datagram()) is None
    assert "1 not, that the system did not send" in log.lines[-1]


def test_a_flood_makes_a_line_of_log_and_not_more(
    echo: GuardedService, clock: Clock, log: Log
) -> None:
    for _ in range(2000):
        ask(echo, datagram())
    ask(echo, datagram(port=7))
    (line,) = log.lines
    assert line == "UDP echo: 1 answered; 5 bytes came, the last from client 192.0.2.1(40000)"
    clock.advance(10)
    assert log.lines[1] == (
        "UDP echo: 1023 answered, 976 not, over the rate for an address, 1 not, from ports"
        " under 1024; 10000 bytes came, the last from client 192.0.2.1(7)"
    )
    clock.advance(10)
    clock.advance(10)
    assert len(log.lines) == 2
    assert not clock.getDelayedCalls()


def test_after_a_quiet_time_a_datagram_is_logged_at_once(
    echo: GuardedService, clock: Clock, log: Log
) -> None:
    for count in (1, 2, 3):
        ask(echo, datagram())
        assert len(log.lines) == count
        clock.advance(10)


def test_what_was_not_logged_yet_is_logged_at_the_end(
    echo: GuardedService, clock: Clock, log: Log
) -> None:
    for _ in range(3):
        ask(echo, datagram())
    echo.doStop()
    assert [line.partition(";")[0] for line in log.lines] == [
        "UDP echo: 1 answered",
        "UDP echo: 2 answered",
    ]
    assert not clock.getDelayedCalls()


def test_a_port_that_is_no_longer_ours_is_answered_again(
    clock: Clock, start: Callable[[GuardedService], GuardedService]
) -> None:
    guard = Guard(clock)
    echo = start(UDPEcho(clock, guard))
    assert guard.own_ports == {OWN_PORT}
    echo.doStop()
    assert not guard.own_ports
