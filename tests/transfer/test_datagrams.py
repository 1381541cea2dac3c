"""A UDP port that answers from where it was asked, on real sockets of loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from twisted.internet.error import CannotListenError

from filesrv.transfer.datagrams import Datagram, DatagramPort, DatagramService
from filesrv.transfer.sockets import plain_host
from tests.support.hand_reactor import HandReactor, udp_client


class Echo(DatagramService):
    """Sends back, and remembers."""

    def __init__(self) -> None:
        self.seen: list[Datagram] = []
        self.sent: list[bool] = []

    def datagram_arrived(self, datagram: Datagram) -> None:
        self.seen.append(datagram)
        self.sent.append(self.transport.answer(datagram, datagram.data))


@pytest.fixture
def reactor() -> HandReactor:
    return HandReactor()


@pytest.fixture(params=["::", "0.0.0.0"])
def echo(request: pytest.FixtureRequest, reactor: HandReactor) -> Iterator[Echo]:
    """Listens on all addresses, of both families or of one."""
    with listening(reactor, request.param) as service:
        yield service


@contextmanager
def listening(reactor: HandReactor, interface: str) -> Iterator[Echo]:
    service = Echo()
    port = DatagramPort(reactor, 0, service, interface)
    port.startListening()
    yield service
    port.stopListening()
    reactor.turn()


def number(echo: Echo) -> int:
    found: int = echo.transport.getHost().port
    return found


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "127.10.20.30"])
def test_the_answer_comes_from_the_address_that_was_asked(
    echo: Echo, reactor: HandReactor, host: str
) -> None:
    with udp_client() as client:
        client.connect((host, number(echo)))  # from here on it hears nobody else
        client.send(b"hello")
        reactor.turn()
        assert client.recv(100) == b"hello"
    assert plain_host(echo.seen[0].asked_at or "") == host
    assert (echo.seen[0].host, echo.sent) == ("127.0.0.1", [True])


@pytest.mark.parametrize("size", [0, 1, 1472, 1473, 8193, 65507])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_datagram_of_any_size_arrives_whole(reactor: HandReactor, size: int, host: str) -> None:
    data = (bytes(range(256)) * 256)[:size]
    with listening(reactor, host) as echo:
        with udp_client(host) as client:
            client.connect((host, number(echo)))
            client.send(data)
            reactor.turn()
            assert client.recv(65536) == data
        assert (echo.seen[0].host, echo.seen[0].data) == (host, data)


def test_the_largest_datagram_of_ipv6_is_larger_and_arrives_too(reactor: HandReactor) -> None:
    with listening(reactor, "::") as echo, udp_client("::1") as client:
        client.connect(("::1", number(echo)))
        client.send(bytes(65527))
        reactor.turn()
        assert len(client.recv(65536)) == 65527


def test_a_flood_of_empty_datagrams_lets_others_have_their_turn(
    echo: Echo, reactor: HandReactor
) -> None:
    with udp_client() as client:
        for _ in range(200):
            client.sendto(b"", ("127.0.0.1", number(echo)))
        reactor.turn()
        first = len(echo.seen)
        assert 0 < first < 200
        while len(echo.seen) < 200:
            reactor.turn()


def test_what_was_sent_to_a_broadcast_address_is_not_answered(
    echo: Echo, reactor: HandReactor
) -> None:
    with udp_client() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        client.sendto(b"everybody", ("127.255.255.255", number(echo)))
        reactor.turn()
        assert (len(echo.seen), echo.sent) == (1, [False])
        with pytest.raises(BlockingIOError):
            client.recv(100)


def test_an_answer_that_the_system_does_not_take_is_no_error(
    echo: Echo, reactor: HandReactor
) -> None:
    source = ("::", 0) if echo.transport.addressFamily == socket.AF_INET6 else ("0.0.0.0", 0)
    assert not echo.transport.answer(Datagram(b"", source), b"")


def test_a_port_that_is_in_use_is_said_to_be(echo: Echo, reactor: HandReactor) -> None:
    with pytest.raises(CannotListenError):
        DatagramPort(reactor, number(echo), Echo(), "127.0.0.1").startListening()


@pytest.mark.parametrize(
    ("host", "plain"),
    [("::ffff:192.0.2.1", "192.0.2.1"), ("192.0.2.1", "192.0.2.1"), ("fe80::1%lo", "fe80::1%lo")],
)
def test_an_ipv4_address_is_shown_as_one(host: str, plain: str) -> None:
    assert plain_host(host) == plain
