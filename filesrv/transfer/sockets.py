"""
The one place for socket options, and for what the kernel says of a connection.
"""

from __future__ import annotations

import array
import errno
import fcntl
import ipaddress
import os
import socket
import struct
import termios
from collections.abc import Callable
from typing import Any, NamedTuple

from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    INegotiated,
    ISSLTransport,
    ITCPTransport,
    ITransport,
)
from twisted.protocols.policies import ProtocolWrapper
from zope.interface import alsoProvides

from filesrv.wire.endings import Ending

__all__ = [
    "LINE_READ_SIZE",
    "TCPInfo",
    "ending_of",
    "ending_seen",
    "forward_half_close",
    "half_closer",
    "is_dual_stack",
    "is_local",
    "is_tls",
    "keep_alive",
    "limit_retransmission",
    "network_of",
    "no_delay",
    "peer_user",
    "pending_error",
    "plain_host",
    "set_read_size",
    "set_send_limit",
    "shown_peer",
    "socket_of",
    "socket_under",
    "tcp_info",
    "tls_version",
    "unsent",
    "unwrapped",
]


#: Bytes of one read while lines are read.  Splitting lines off a buffer takes time that
#: grows with its square: with Twisted's 64 KiB, most of what a short command costs.
LINE_READ_SIZE = 16 * 1024


def socket_of(transport: ITransport | None) -> socket.socket | None:
    """
    The socket under a transport, where its bytes go as they are.

    L{None} for TLS (the kernel does not have the plain bytes), for transports in
    memory, and after the end of the connection.
    """
    return None if is_tls(transport) else socket_under(transport)


def socket_under(transport: ITransport | None) -> socket.socket | None:
    """
    The socket that carries a transport, to be asked how the connection does: what goes
    through it may be something else than what was written, such as TLS.
    """
    handle = getattr(unwrapped(transport), "getHandle", None)
    if handle is None:
        return None
    try:
        found = handle()
    except AttributeError:  # Twisted deletes its socket when the connection ends.
        return None
    return found if isinstance(found, socket.socket) and found.fileno() >= 0 else None


def is_tls(transport: Any) -> bool:
    """Whether what is written is encrypted on its way."""
    secured = ISSLTransport.providedBy(transport) or INegotiated.providedBy(transport)
    return secured or bool(getattr(transport, "TLS", False))


def tls_version(transport: Any) -> str:
    """Such as C{TLSv1.3}; empty where there is no TLS, or nobody to tell."""
    handle = getattr(transport, "getHandle", None)
    told = getattr(handle(), "version", None) if handle and is_tls(transport) else None
    return str(told()) if told else ""


def half_closer(transport: Any) -> Callable[[], None] | None:
    """What closes the sending half of a connection, if that can be closed on its own."""
    while isinstance(transport, ProtocolWrapper):
        if hasattr(type(transport), "loseWriteConnection"):
            break
        if INegotiated.implementedBy(type(transport)):
            return None  # Twisted's TLS: it knows no halves
        transport = transport.transport
    found: Callable[[], None] | None = getattr(transport, "loseWriteConnection", None)
    return found


def unsent(sock: socket.socket) -> int:
    """
    Bytes that were written and that the peer's kernel has not acknowledged.

    Source: SIOCOUTQ of tcp(7); 0 where the system does not tell.
    """
    count = array.array("i", [0])
    try:
        fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, count, True)
    except OSError:
        return 0
    return count[0]


def pending_error(sock: socket.socket) -> OSError | None:
    """The error that ended the connection, if nobody has been told of it yet (SO_ERROR)."""
    try:
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    except OSError as error:
        return error
    return OSError(code, os.strerror(code)) if code else None


#: How the kernel says that a connection ended.
_ENDINGS = {
    errno.ECONNRESET: Ending.RESET,
    errno.EPIPE: Ending.RESET,
    errno.ETIMEDOUT: Ending.DEAD_KEEPALIVE,
    errno.EHOSTUNREACH: Ending.DEAD_UNACKNOWLEDGED,
    errno.ENETUNREACH: Ending.DEAD_UNACKNOWLEDGED,
}


def ending_of(error: BaseException | None) -> Ending | None:
    """The ending that an error of a socket stands for, if it is one of a socket."""
    return _ENDINGS.get(error.errno or 0) if isinstance(error, OSError) else None


def ending_seen(transport: ITransport | None) -> Ending | None:
    """
    How a connection ended, from what the kernel still knows of it.

    Twisted does not say which error ended a connection, and reading it off the socket
    took it away; but probes that nobody answered are still counted.
    """
    sock = socket_under(transport)
    if sock is None:
        return None
    found = ending_of(pending_error(sock))
    info = tcp_info(sock)
    if found is not Ending.RESET and info is not None and info.probes:
        # Also where a router has said meanwhile that nobody is there (EHOSTUNREACH).
        return Ending.DEAD_KEEPALIVE
    return found


#: TCP_RTO_MAX_MS of linux/tcp.h, since Linux 6.15; Python has no name for it yet.
_TCP_RTO_MAX_MS = 44

#: How many probes go unanswered before the kernel gives a peer up: enough that one lost
#: packet, or three, do not end a connection.
_PROBES = 5


def keep_alive(sock: socket.socket, dead_after: float) -> list[str]:
    """
    Have the kernel notice within C{dead_after} seconds that an idle connection's peer is
    gone: about half of that in silence, the rest in probes.

    @return: the names of the options that the system lacks.
    """
    interval = max(1, int(dead_after / 2 // _PROBES))
    probes = int(dead_after / 2 // interval)
    idle = int(dead_after) - interval * probes
    # macOS calls the first one TCP_KEEPALIVE.
    idle_option = "TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE"
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    wanted = {idle_option: idle, "TCP_KEEPINTVL": interval, "TCP_KEEPCNT": probes}
    return [name for name, value in wanted.items() if not _set_tcp(sock, name, value)]


def limit_retransmission(sock: socket.socket, seconds: float) -> list[str]:
    """
    Have the kernel send again, and probe a closed window, at least so often.

    @return: what the system lacks.  Its two minutes between tries then delay the moment
        when a peer is noticed that paused first and died afterwards.
    """
    lacking = [] if hasattr(socket, "TCP_INFO") else ["TCP_INFO"]
    try:
        sock.setsockopt(socket.IPPROTO_TCP, _TCP_RTO_MAX_MS, max(1000, int(seconds * 1000)))
    except OSError:
        lacking.append("TCP_RTO_MAX_MS")
    return lacking


def _set_tcp(sock: socket.socket, name: str, value: int) -> bool:
    option = getattr(socket, name, None)
    if option is None:
        return False
    try:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
    except OSError:
        return False
    return True


def no_delay(transport: Any) -> None:
    """
    Send what is written at once (TCP_NODELAY).  A reply behind a payload would otherwise
    wait for the peer's delayed acknowledgement, 40 ms on Linux.
    """
    transport = unwrapped(transport)
    if ITCPTransport.providedBy(transport):
        transport.setTcpNoDelay(True)


def set_read_size(transport: Any, size: int) -> None:
    """How many bytes one read of a connection takes at most."""
    transport = unwrapped(transport)
    if isinstance(transport, FileDescriptor):
        transport.bufferSize = size


def unwrapped(transport: Any) -> Any:
    """The transport below those that wrap it, such as TLS and that for HAProxy."""
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    return transport


def set_send_limit(transport: Any, size: int) -> None:
    """How many bytes one call gives to the kernel at most."""
    below = unwrapped(transport)
    if isinstance(below, FileDescriptor):
        below.SEND_LIMIT = size


def forward_half_close(transport: Any, protocol: Any) -> None:
    """
    Let a protocol hear of half-closed connections through a wrapper, such as the one
    for HAProxy, which would drop the connection instead.
    """
    if isinstance(transport, ProtocolWrapper) and not INegotiated.implementedBy(type(transport)):
        wrapper: Any = transport
        wrapper.readConnectionLost = protocol.readConnectionLost
        wrapper.writeConnectionLost = protocol.writeConnectionLost
        alsoProvides(wrapper, IHalfCloseableProtocol)


def plain_host(host: str) -> str:
    """C{192.0.2.1} for C{::ffff:192.0.2.1}; other addresses as they are."""
    return host.removeprefix("::ffff:") if "." in host else host


def shown_peer(peer: Any) -> str:
    """Address and port, for the log."""
    host = getattr(peer, "host", None)
    return "local" if host is None else f"{plain_host(str(host))}({peer.port})"


def is_local(peer: Any) -> bool:
    """Whether what is at the other end of a connection is on this machine, too."""
    host = getattr(peer, "host", None)
    if host is None:  # a Unix socket's, or of no kind that leads anywhere
        return isinstance(peer, UNIXAddress)
    try:
        return ipaddress.ip_address(plain_host(str(host))).is_loopback
    except ValueError:
        return False


def network_of(host: str) -> str:
    """What one customer of a provider has: an IPv4 address, or a /64 of IPv6 (RFC 6177)."""
    if ":" not in host:
        return host
    return socket.inet_pton(socket.AF_INET6, host.partition("%")[0])[:8].hex()


def is_dual_stack(sock: socket.socket) -> bool:
    """Whether an IPv6 socket takes IPv4, too (IPV6_V6ONLY of ipv6(7))."""
    return sock.family == socket.AF_INET6 and not sock.getsockopt(
        socket.IPPROTO_IPV6, socket.IPV6_V6ONLY
    )


def peer_user(sock: Any) -> int | None:
    """The user id behind a Unix socket (SO_PEERCRED of unix(7)); L{None} elsewhere."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None or getattr(sock, "family", None) != socket.AF_UNIX:
        return None
    try:
        _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, option, 12))
    except OSError:
        return None
    return int(uid)


class TCPInfo(NamedTuple):
    """
    What the kernel knows of a TCP connection: the part of C{struct tcp_info} in
    C{linux/tcp.h} that tells a dead peer from a slow one.

    @ivar probes: keep-alive or window probes sent since the peer last answered one.
    @ivar in_flight: segments that are not acknowledged.
    @ivar since_ack_received: milliseconds; any segment of the peer counts.
    @ivar bytes_acknowledged: in all, or 0 before Linux 4.1.
    @ivar window: bytes that the peer takes beyond what it acknowledged; 0 before 5.4.
    """

    probes: int
    in_flight: int
    since_ack_received: int
    bytes_acknowledged: int
    window: int


#: The fields, by their offset in the structure, which only ever grows at its end.
_TCP_INFO = {
    "probes": (3, "=B"),
    "in_flight": (24, "=I"),
    "since_ack_received": (56, "=I"),
    "bytes_acknowledged": (120, "=Q"),
    "window": (228, "=I"),
}
_TCP_INFO_SIZE = 232


def tcp_info(sock: socket.socket) -> TCPInfo | None:
    """L{None} where the system does not tell, or the socket is not TCP."""
    option = getattr(socket, "TCP_INFO", None)
    if option is None:
        return None
    try:
        raw = sock.getsockopt(socket.IPPROTO_TCP, option, _TCP_INFO_SIZE)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.ENOPROTOOPT, errno.ENOTSUP, errno.EBADF):
            return None
        raise
    # An older kernel fills less of it.
    raw = raw.ljust(_TCP_INFO_SIZE, b"\0")
    return TCPInfo(
        **{
            name: struct.unpack_from(form, raw, offset)[0]
            for name, (offset, form) in _TCP_INFO.items()
        }
    )
