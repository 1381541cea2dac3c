"""
A UDP port that answers from the address that it was asked at.

Twisted's own sends from whatever address the routing table prefers, which on a machine
with several is not always the one that the client asked and listens to; it drops the
scope of link-local addresses; and a flood of empty datagrams never lets go of its loop.
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from twisted.internet.protocol import AbstractDatagramProtocol
from twisted.internet.udp import Port

from filesrv.transfer.sockets import plain_host

__all__ = ["Datagram", "DatagramPort", "DatagramService"]

#: More than any datagram without the jumbo option has, over IPv6 too.
_READ_SIZE = 65536

#: Datagrams that are read before the reactor looks at other sockets, too.
_AT_ONCE = 64

#: IP_PKTINFO of ip(7); Python has a name for it only since 3.14.
_IP_PKTINFO = 8
_IN_PKTINFO = struct.Struct("=i4s4s")
_IN6_PKTINFO = struct.Struct("=16sI")


@dataclass(frozen=True)
class Datagram:
    """
    A datagram that has arrived.

    @ivar source: who sent it, as the socket has it: host, port, and for IPv6 the rest.
    @ivar asked_at: the address of this machine that it was sent to; L{None} if the
        system does not tell.
    """

    data: bytes
    source: tuple[Any, ...]
    asked_at: str | None = None

    @property
    def host(self) -> str:
        """Who sent it."""
        return plain_host(self.source[0])

    @property
    def port(self) -> int:
        """Who sent it."""
        return int(self.source[1])


class DatagramService(AbstractDatagramProtocol):
    """What L{DatagramPort} delivers to."""

    noisy = False
    transport: Any  # a DatagramPort

    def datagram_arrived(self, datagram: Datagram) -> None:
        """A datagram, of any size, even empty."""
        raise NotImplementedError


class DatagramPort(Port):
    """Listens on one address, or with C{interface="::"} on all of IPv6 and IPv4."""

    protocol: DatagramService

    def __init__(
        self, reactor: Any, port: int, service: DatagramService, interface: str = ""
    ) -> None:
        super().__init__(port, service, interface, _READ_SIZE, reactor)

    def createInternetSocket(self) -> socket.socket:
        sock = super().createInternetSocket()
        # Where one of these is lacking, answers still go out, from the routing table's address.
        with suppress(OSError):
            if sock.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        return sock

    def doRead(self) -> None:
        """The socket has something."""
        for _ in range(_AT_ONCE):
            try:
                data, ancillary, flags, source = self.socket.recvmsg(_READ_SIZE, 256)
            except OSError:  # nothing more, or what became of an earlier answer
                return
            if not flags & socket.MSG_TRUNC:
                self.protocol.datagram_arrived(Datagram(data, source, _asked_at(ancillary)))

    def answer(self, datagram: Datagram, data: bytes) -> bool:
        """
        Send C{data} to who sent C{datagram}, from the address that it was sent to.

        @return: whether the system took it.
        """
        try:
            self.socket.sendmsg([data], self._from(datagram.asked_at), 0, datagram.source)
        except OSError:
            # The buffer is full, there is no way back, or it was sent to a broadcast
            # address, from which nothing can be answered, and should not (RFC 1122, 4.1.3.6).
            return False
        return True

    def _from(self, host: str | None) -> list[tuple[int, int, bytes]]:
        if host is None:
            return []
        if self.addressFamily == socket.AF_INET6:
            address = socket.inet_pton(socket.AF_INET6, host)
            info = _IN6_PKTINFO.pack(address, 0)
            return [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, info)]
        info = _IN_PKTINFO.pack(0, socket.inet_aton(host), bytes(4))
        return [(socket.IPPROTO_IP, _IP_PKTINFO, info)]


def _asked_at(ancillary: list[tuple[int, int, bytes]]) -> str | None:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            return socket.inet_ntop(socket.AF_INET6, _IN6_PKTINFO.unpack(data)[0])
        if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
            return socket.inet_ntoa(_IN_PKTINFO.unpack(data)[2])
    return None
