"""Socket options, and what the kernel says of a connection."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator

import pytest
from twisted.internet.abstract import FileDescriptor
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory

from filesrv.transfer import sockets
from filesrv.wire.endings import Ending


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    with near, far:
        yield near, far


class Transport:
    """As much of a transport as is looked at."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def getHandle(self) -> socket.socket:  # noqa: N802
        return self._sock


def test_a_transport_without_a_socket_of_plain_bytes_has_none(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    near, _ = pair
    transport = Transport(near)
    assert sockets.socket_of(transport) is near  # type: ignore[arg-type]
    transport.TLS = True  # type: ignore[attr-defined]
    assert sockets.socket_of(transport) is None  # type: ignore[arg-type]
    assert sockets.socket_of(StringTransport()) is None
    assert sockets.socket_of(None) is None
    closed = socket.socket()
    closed.close()
    assert sockets.socket_of(Transport(closed)) is None  # type: ignore[arg-type]


def test_what_the_peer_has_not_acknowledged_is_counted(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    near, far = pair
    near.setblocking(False)
    sent = 0
    try:
        while True:
            sent += near.send(bytes(65536))
    except BlockingIOError:
        pass
    assert 0 < sockets.unsent(near) <= sent
    while sent:
        sent -= len(far.recv(1 << 20))

    deadline = 10_000
    while sockets.unsent(near) and deadline:
        deadline -= 1
    assert sockets.unsent(near) == 0


def test_what_is_no_socket_has_nothing_unsent() -> None:
    reading, writing = os.pipe()
    with socket.socket(socket.AF_UNIX) as sock:
        assert sockets.unsent(sock) == 0
        assert sockets.tcp_info(sock) is None
    os.close(reading)
    os.close(writing)


def test_a_reset_is_seen(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    assert sockets.pending_error(near) is None
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    far.close()
    error = None
    while error is None:
        error = sockets.pending_error(near)

    assert error.errno == errno.ECONNRESET
    assert sockets.ending_of(error) is Ending.RESET


@pytest.mark.parametrize(
    ("number", "ending"),
    [
        (errno.ECONNRESET, Ending.RESET),
        (errno.EPIPE, Ending.RESET),
        (errno.ETIMEDOUT, Ending.DEAD_KEEPALIVE),
        (errno.EHOSTUNREACH, Ending.DEAD_UNACKNOWLEDGED),
        (errno.ENETUNREACH, Ending.DEAD_UNACKNOWLEDGED),
        (errno.ENOSPC, None),
    ],
)
def test_an_error_of_a_socket_is_an_ending(number: int, ending: Ending | None) -> None:
    assert sockets.ending_of(OSError(number, "")) is ending


def test_what_is_no_error_of_a_socket_is_no_ending() -> None:
    assert sockets.ending_of(None) is None
    assert sockets.ending_of(ZeroDivisionError()) is None
    assert sockets.ending_of(OSError("without a number")) is None
    assert sockets.ending_seen(StringTransport()) is None


@pytest.mark.parametrize("number", [None, errno.ETIMEDOUT, errno.EHOSTUNREACH])
def test_probes_that_nobody_answered_say_how_it_ended(
    monkeypatch: pytest.MonkeyPatch, number: int | None
) -> None:
    error = None if number is None else OSError(number, "")
    monkeypatch.setattr(sockets, "socket_under", lambda transport: socket)
    monkeypatch.setattr(sockets, "pending_error", lambda sock: error)
    monkeypatch.setattr(sockets, "tcp_info", lambda sock: sockets.TCPInfo(5, 0, 9000, 0, 0))

    assert sockets.ending_seen(StringTransport()) is Ending.DEAD_KEEPALIVE


def test_a_reset_is_one_whatever_probes_are_out(monkeypatch: pytest.MonkeyPatch) -> None:
    error = OSError(errno.ECONNRESET, "")
    monkeypatch.setattr(sockets, "socket_under", lambda transport: socket)
    monkeypatch.setattr(sockets, "pending_error", lambda sock: error)
    monkeypatch.setattr(sockets, "tcp_info", lambda sock: sockets.TCPInfo(1, 0, 9000, 0, 0))

    assert sockets.ending_seen(StringTransport()) is Ending.RESET


def test_an_idle_peer_that_is_gone_is_noticed_in_the_time_that_was_asked_for(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    near, _ = pair

    def option(name: str) -> int:
        return near.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))

    for dead_after in (*range(10, 301), 31.5):
        assert sockets.keep_alive(near, dead_after) == []
        assert near.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        noticed = option("TCP_KEEPIDLE") + option("TCP_KEEPINTVL") * option("TCP_KEEPCNT")
        assert dead_after - 1 < noticed <= dead_after
        assert option("TCP_KEEPCNT") >= 5


def test_what_a_system_lacks_is_said(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(socket, "TCP_KEEPCNT")
    monkeypatch.setattr(socket, "TCP_KEEPINTVL", 9999)
    assert sockets.keep_alive(pair[0], 30.0) == ["TCP_KEEPINTVL", "TCP_KEEPCNT"]
    monkeypatch.delattr(socket, "TCP_INFO")
    assert "TCP_INFO" in sockets.limit_retransmission(pair[0], 5.0)
    assert sockets.tcp_info(pair[0]) is None


def test_the_kernel_tells_of_a_connection(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    near.send(b"hello")
    assert far.recv(5) == b"hello"
    info = sockets.tcp_info(near)

    assert info is not None
    assert (info.probes, info.in_flight) in ((0, 0), (0, 1))


@pytest.mark.parametrize("only", [0, 1])
def test_whether_an_ipv6_socket_takes_ipv4_is_known(only: int) -> None:
    with socket.socket(socket.AF_INET6) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        assert sockets.is_dual_stack(sock) is not bool(only)
    with socket.socket() as sock:
        assert not sockets.is_dual_stack(sock)


def test_the_user_behind_a_unix_socket_is_known() -> None:
    near, far = socket.socketpair()
    with near, far:
        assert sockets.peer_user(near) == os.getuid()
    with socket.socket() as sock:
        assert sockets.peer_user(sock) is None
    assert sockets.peer_user(None) is None


def test_the_size_of_a_read_is_set_under_wrappers() -> None:
    transport = FileDescriptor(reactor=object())  # type: ignore[arg-type]
    wrapper = ProtocolWrapper(WrappingFactory(Factory()), Protocol())
    wrapper.transport = transport
    sockets.set_read_size(wrapper, 12345)
    assert transport.bufferSize == 12345
    sockets.set_read_size(StringTransport(), 12345)
