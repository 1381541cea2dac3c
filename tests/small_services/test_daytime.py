"""The time over TCP and UDP, without a socket."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from filesrv.small_services.daytime import LINGER, DaytimeDatagrams, DaytimeFactory, DaytimeProtocol
from filesrv.small_services.guard import Guard
from filesrv.small_services.guarded import GuardedService
from filesrv.small_services.udp_echo import UDPEcho
from filesrv.wire.daytime import parse_daytime
from tests.small_services.conftest import ask, datagram
from tests.support.logs import Log

LINE = b"Friday, November 20, 2026 12:10:45+01:00\r\n"


@pytest.fixture(autouse=True)
def central_europe(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "<+01>-1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


#: What L{filesrv.transfer.sockets.socket_of} finds under plain TCP, and not under TLS.
_PLAIN = socket.socket()


class Transport(StringTransport):
    """
    @ivar half_closed: whether our half is closed.
    @ivar aborted: whether it was given up.
    """

    half_closed: bool
    aborted: bool

    def __init__(self, peer: IAddress, *, half_closes: bool) -> None:
        super().__init__(peerAddress=peer)
        self.half_closed = self.aborted = False
        if half_closes:
            self.getHandle = lambda: _PLAIN

    @property
    def ends(self) -> str:
        """What of it is closed."""
        if self.aborted:
            return "aborted"
        if self.disconnecting:
            return "closed"
        return "half-closed" if self.half_closed else "open"

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def abortConnection(self) -> None:
        self.aborted = True


def connect(
    clock: Clock,
    peer: IAddress | None = None,
    factory: DaytimeFactory | None = None,
    *,
    half_closes: bool = True,
) -> tuple[DaytimeProtocol, Transport]:
    factory = factory or DaytimeFactory(clock)
    protocol = factory.buildProtocol(None)
    peer = peer or IPv4Address("TCP", "192.0.2.1", 40000)
    transport = Transport(peer, half_closes=half_closes)
    protocol.makeConnection(transport)
    return protocol, transport


def lose(protocol: DaytimeProtocol) -> None:
    protocol.connectionLost(Failure(ConnectionDone()))


def test_who_connects_reads_one_line_and_then_the_end(clock: Clock) -> None:
    protocol, transport = connect(clock)
    assert transport.value() == LINE
    assert transport.ends == "half-closed"
    protocol.readConnectionLost()
    assert transport.ends == "closed"
    lose(protocol)
    assert not clock.getDelayedCalls()


def test_what_the_client_says_is_read_so_that_no_reset_overtakes_the_line(clock: Clock) -> None:
    protocol, transport = connect(clock)
    protocol.dataReceived(b"GET / HTTP/1.0\r\n\r\n")
    assert transport.value() == LINE
    assert transport.ends == "half-closed"


def test_who_does_not_close_is_closed_upon(clock: Clock) -> None:
    protocol, transport = connect(clock)
    protocol.writeConnectionLost()
    clock.advance(LINGER - 0.1)
    assert transport.ends == "half-closed"
    clock.advance(0.1)
    assert transport.ends == "aborted"
    lose(protocol)


def test_where_connections_cannot_be_half_closed_all_of_it_is_closed(clock: Clock) -> None:
    _, transport = connect(clock, half_closes=False)
    assert transport.value() == LINE
    assert (transport.ends, transport.half_closed) == ("closed", False)


@pytest.mark.parametrize(
    ("peer", "line"),
    [
        (IPv4Address("TCP", "192.0.2.1", 40000), "client 192.0.2.1(40000) connected"),
        (IPv6Address("TCP", "::ffff:192.0.2.1", 40000), "client 192.0.2.1(40000) connected"),
        (IPv6Address("TCP", "2001:db8::1", 40000), "client 2001:db8::1(40000) connected"),
        (UNIXAddress(None), "client local connected"),
    ],
)
def test_who_connects_is_logged(clock: Clock, log: Log, peer: IAddress, line: str) -> None:
    connect(clock, peer)
    assert log.lines == [line]


def test_connections_end_with_the_service(clock: Clock) -> None:
    factory = DaytimeFactory(clock)
    ended, gone = connect(clock, factory=factory)
    _, transport = connect(clock, factory=factory)
    lose(ended)
    factory.stopFactory()
    assert (transport.ends, gone.ends) == ("aborted", "half-closed")


@pytest.fixture
def daytime(clock: Clock, start: Callable[[GuardedService], GuardedService]) -> GuardedService:
    return start(DaytimeDatagrams(clock, Guard(clock)))


@pytest.mark.parametrize("data", [b"", b"\n", b"what time is it?", bytes(65507), b"\xff\x00"])
def test_a_datagram_is_answered_with_the_line_whatever_it_holds(
    daytime: GuardedService, data: bytes
) -> None:
    assert ask(daytime, datagram(data)) == LINE


@pytest.mark.parametrize("port", [7, 13, 1023, 9007])
def test_services_and_its_own_port_are_not_answered(daytime: GuardedService, port: int) -> None:
    assert ask(daytime, datagram(port=port)) is None


@pytest.mark.parametrize("answer", [LINE, b"2026-11-20T12:10:45+01:00", LINE.strip()])
def test_an_answer_that_comes_back_is_not_answered_again(
    daytime: GuardedService, answer: bytes
) -> None:
    assert ask(daytime, datagram(answer)) is None


def test_an_address_gets_no_more_than_the_rate(daytime: GuardedService) -> None:
    assert sum(ask(daytime, datagram()) is not None for _ in range(3000)) == 1024


def test_services_of_one_daemon_count_together_and_do_not_answer_each_other(
    clock: Clock, start: Callable[[GuardedService], GuardedService]
) -> None:
    guard = Guard(clock)
    daytime, echo = start(DaytimeDatagrams(clock, guard)), start(UDPEcho(clock, guard))
    guard.own_ports.add(9013)
    assert ask(echo, datagram(port=9013)) is None
    assert ask(daytime, datagram(port=9007)) is None
    answered = sum(
        ask(service, datagram()) is not None for _ in range(1000) for service in (daytime, echo)
    )
    assert answered == 1024


def test_the_line_of_a_moment_is_read_back(daytime: GuardedService, clock: Clock) -> None:
    clock.advance(86400)
    assert parse_daytime((ask(daytime, datagram()) or b"").decode()) == 1795173045 + 86400
