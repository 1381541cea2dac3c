"""Whose a connection is, where a proxy says so first."""

from __future__ import annotations

import socket
import struct

import pytest
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from filesrv.server.proxied import HEADER_WITHIN, ProxiedFactory

SIGNATURE_2 = b"\r\n\r\n\x00\r\nQUIT\n"
VERSION_1 = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 9000\r\n"
UNKNOWN = b"PROXY UNKNOWN\r\n"
VERSION_2 = (
    SIGNATURE_2
    + b"\x21\x11"
    + struct.pack("!H", 12)
    + socket.inet_aton("192.0.2.7")
    + socket.inet_aton("192.0.2.1")
    + struct.pack("!HH", 4711, 9000)
)
VERSION_1_OVER_6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 9000\r\n"
VERSION_2_OVER_6 = (
    SIGNATURE_2
    + b"\x21\x21"
    + struct.pack("!H", 36 + 5)
    + socket.inet_pton(socket.AF_INET6, "2001:db8::7")
    + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    + struct.pack("!HH", 4711, 9000)
    + b"\x03\x00\x02ab"  # something more that the proxy knows
)
UNIX = SIGNATURE_2 + b"\x21\x31" + struct.pack("!H", 216) + bytes(216)
LOCAL = SIGNATURE_2 + b"\x20\x00\x00\x00"


class Inner(Protocol):
    """Notes whose connection it is when it hears of it, and what comes."""

    def __init__(self) -> None:
        self.peers: list[str] = []
        self.data = b""
        self.ended = 0

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.peers.append(str(getattr(self.transport.getPeer(), "host", "")))

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: object = None) -> None:
        self.ended += 1


class Connection:
    """One connection to a server behind a proxy."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.inner = Inner()
        factory = ProxiedFactory(self.clock, Factory.forProtocol(lambda: self.inner))
        self.transport = StringTransport()
        self.protocol = factory.buildProtocol(self.transport.getPeer())
        assert self.protocol is not None
        self.protocol.makeConnection(self.transport)

    def feed(self, data: bytes, size: int) -> None:
        assert self.protocol is not None
        for start in range(0, len(data), size):
            self.protocol.dataReceived(data[start : start + size])

    @property
    def closed(self) -> bool:
        return self.transport.disconnecting or self.transport.disconnected


PIECES = [*range(1, 10), 15, 16, 17, 1000]


@pytest.mark.parametrize("size", PIECES)
@pytest.mark.parametrize(
    ("header", "host"),
    [
        pytest.param(VERSION_1, "192.0.2.7", id="version 1"),
        pytest.param(VERSION_1_OVER_6, "2001:db8::7", id="version 1 over IPv6"),
        pytest.param(VERSION_2, "192.0.2.7", id="version 2"),
        pytest.param(VERSION_2_OVER_6, "2001:db8::7", id="version 2 over IPv6"),
    ],
)
def test_the_protocol_hears_of_a_connection_when_its_client_is_known(
    header: bytes, host: str, size: int
) -> None:
    connection = Connection()
    connection.feed(header[:-1], size)
    assert connection.inner.peers == []
    connection.feed(header[-1:] + b"TIME\nECHO\n", size)
    assert connection.inner.peers == [host]
    assert connection.inner.data == b"TIME\nECHO\n"
    assert not connection.closed


@pytest.mark.parametrize("size", PIECES)
@pytest.mark.parametrize("header", [UNKNOWN, LOCAL, UNIX], ids=["version 1", "local", "Unix"])
def test_a_proxy_that_speaks_for_itself_is_the_client(header: bytes, size: int) -> None:
    connection = Connection()
    connection.feed(header, size)
    assert connection.inner.peers == ["192.168.1.1"]
    connection.feed(b"TIME\n", size)
    assert connection.inner.data == b"TIME\n"


@pytest.mark.parametrize("size", PIECES)
@pytest.mark.parametrize(
    "nonsense",
    [
        b"TIME\n" * 9,
        b"PROXY? " * 9,
        b"PROXY " * 20,
        b"\r\n\r\nTIME\n" * 9,
        b"PROXY TCP4 nobody\r\nTIME\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 x 9000\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 65536 9000\r\n",
        b"PROXY TCP6 192.0.2.7 192.0.2.1 4711 9000\r\n",
        b"PROXY TCP4 192.0.2.777 192.0.2.1 4711 9000\r\n",
        SIGNATURE_2 + b"\x11\x11\x00\x00",
        SIGNATURE_2 + b"\x21\x11\x00\x01.",
    ],
)
def test_without_a_header_nothing_is_served(nonsense: bytes, size: int) -> None:
    connection = Connection()
    connection.feed(nonsense, size)
    assert connection.closed
    assert connection.inner.peers == []
    assert connection.inner.data == b""


def test_a_proxy_that_says_nothing_is_not_waited_for_for_ever() -> None:
    connection = Connection()
    connection.feed(VERSION_1[:20], 20)
    connection.clock.advance(HEADER_WITHIN - 0.1)
    assert not connection.closed
    connection.clock.advance(0.2)
    assert connection.closed


def test_a_header_that_came_in_time_ends_the_waiting() -> None:
    connection = Connection()
    connection.feed(VERSION_2, 1000)
    assert connection.clock.getDelayedCalls() == []


def test_a_connection_that_ends_before_its_header_never_was_one() -> None:
    connection = Connection()
    assert connection.protocol is not None
    connection.protocol.connectionLost(connectionDone)
    assert connection.clock.getDelayedCalls() == []
    assert connection.inner.ended == 0
