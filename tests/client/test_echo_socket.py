"""A UDP socket that hears one server alone, on loopback."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.main import CONNECTION_DONE
from twisted.python.failure import Failure

from filesrv.client.echo_socket import EchoSocket
from tests.support.hand_reactor import HandReactor, udp_client


class Ears:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.refusals: list[str] = []

    def answered(self, data: bytes) -> None:
        self.answers.append(data)

    def refused(self, why: str) -> None:
        self.refusals.append(why)


@pytest.fixture(params=["127.0.0.1", "::1"])
def server(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    with udp_client(request.param) as found:
        yield found


@pytest.fixture
def reactor() -> HandReactor:
    return HandReactor()


def address(server: socket.socket) -> Any:
    host, port, *_ = server.getsockname()
    return (IPv6Address if ":" in host else IPv4Address)("UDP", host, port)


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def client(server: socket.socket, reactor: HandReactor, ears: Ears) -> Iterator[EchoSocket]:
    made = EchoSocket(reactor, address(server), ears)
    yield made
    made.close()
    reactor.turn()


@pytest.mark.parametrize("size", [0, 1, 65507])
def test_an_answer_of_any_size_is_heard(
    client: EchoSocket, server: socket.socket, reactor: HandReactor, ears: Ears, size: int
) -> None:
    client.send(bytes(size))
    data, source = server.recvfrom(65536)
    assert len(data) == size
    server.sendto(data, source)
    reactor.turn()
    assert ears.answers == [bytes(size)]


def test_what_comes_from_another_port_or_address_is_not_heard(
    client: EchoSocket, server: socket.socket, reactor: HandReactor, ears: Ears
) -> None:
    client.send(b"hello")
    _, source = server.recvfrom(100)
    with udp_client(server.getsockname()[0]) as other:
        other.sendto(b"hello", source)
    if ":" not in source[0]:
        with udp_client("127.0.0.2", server.getsockname()[1]) as other:
            other.sendto(b"hello", source)
    reactor.turn()
    assert ears.answers == []


def test_that_nobody_listens_is_heard_and_the_socket_goes_on(
    client: EchoSocket, server: socket.socket, reactor: HandReactor, ears: Ears
) -> None:
    host, port, *_ = server.getsockname()
    server.close()
    client.send(b"hello")
    # As epoll's reactor tells of an error without data: as of an end.
    reactor.removeReader(client)
    client.readConnectionLost(Failure(CONNECTION_DONE))
    assert ears.refusals == ["Connection refused"]
    assert reactor.readers == [client]
    with udp_client(host, port) as again:
        client.send(b"hello again")
        data, source = again.recvfrom(100)
        again.sendto(data, source)
        reactor.turn()
    assert ears.answers == [b"hello again"]


def test_sending_tells_what_became_of_the_datagram_before(
    client: EchoSocket, server: socket.socket
) -> None:
    server.close()
    client.send(b"one")
    with pytest.raises(ConnectionRefusedError):
        client.send(b"two")


def test_a_server_that_cannot_be_reached_is_an_error_and_leaves_nothing(
    reactor: HandReactor, ears: Ears
) -> None:
    with pytest.raises(OSError, match=r"argument|unreachable"):
        # Without a scope, a link-local address says nothing.
        EchoSocket(reactor, IPv6Address("UDP", "fe80::1", 9), ears)
    reactor.turn()
    assert reactor.readers == []


def test_the_scope_of_an_address_is_kept(reactor: HandReactor, ears: Ears) -> None:
    number: int | None = 0
    try:
        EchoSocket(reactor, IPv6Address("UDP", "fe80::1%lo", 9), ears).close()
    except OSError as error:
        number = error.errno
    # Few machines have a way to such addresses on loopback; but it was clear where to look.
    assert number in {0, errno.ENETUNREACH}
    reactor.turn()


def test_after_its_end_nothing_is_heard(
    server: socket.socket, reactor: HandReactor, ears: Ears
) -> None:
    client = EchoSocket(reactor, address(server), ears)
    client.send(b"hello")
    data, source = server.recvfrom(100)
    client.close()
    server.sendto(data, source)
    client.doRead()
    client.readConnectionLost(Failure(CONNECTION_DONE))
    reactor.turn()
    assert ears.answers == []
    assert reactor.readers == []
