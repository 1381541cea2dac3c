"""
A UDP socket that hears one server alone, and hears that nobody listens there.

It is connected, so that the kernel lets nothing through but what comes from the server's
address and port, and hands on what routers and the server's machine say (ICMP).  Twisted's
own port, with epoll, takes such a word for its own end, and closes.
"""

from __future__ import annotations

import socket
from typing import Any, Protocol

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ConnectedDatagramProtocol
from twisted.internet.udp import Port
from twisted.python.failure import Failure

__all__ = ["EchoSocket", "Hearer"]

#: More than any datagram without the jumbo option has.
_READ_SIZE = 65536

#: Datagrams that are read before the reactor looks elsewhere.
_AT_ONCE = 64


class Hearer(Protocol):
    """What an L{EchoSocket} tells."""

    def answered(self, data: bytes) -> None:
        """The server sent something."""

    def refused(self, why: str) -> None:
        """A datagram did not get through, and none would just now."""


class _Nothing(ConnectedDatagramProtocol):
    """A port needs a protocol; this one's words go past it."""

    noisy = False


class EchoSocket(Port):
    """Sends to one server, from L{__init__} to L{close}."""

    def __init__(self, reactor: Any, server: IPv4Address | IPv6Address, hearer: Hearer) -> None:
        """
        @raise OSError: there is no way to it.
        """
        interface = "::" if isinstance(server, IPv6Address) else ""
        super().__init__(0, _Nothing(), interface, _READ_SIZE, reactor)
        self._hearer: Hearer | None = hearer
        try:
            self.startListening()
            # Twisted's connect() drops the scope of link-local addresses.
            found = socket.getaddrinfo(
                server.host, server.port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
            )
            self.socket.connect(found[0][4])
        except CannotListenError as error:
            raise error.socketError from error
        except BaseException:
            self.close()
            raise

    def send(self, data: bytes) -> None:
        """
        Send a datagram.

        @raise OSError: it does not get through.
        """
        sock: socket.socket = self.socket
        sock.send(data)

    def close(self) -> None:
        """Hear no more."""
        self._hearer = None
        self.stopListening()

    def doRead(self) -> None:
        """There is a datagram, or an error."""
        for _ in range(_AT_ONCE):
            hearer = self._hearer
            if hearer is None:
                return
            try:
                data = self.socket.recv(_READ_SIZE)
            except BlockingIOError:
                return
            except OSError as error:
                hearer.refused(error.strerror or str(error))
                return
            hearer.answered(data)

    def readConnectionLost(self, reason: Failure) -> None:
        """What epoll's reactor makes of an error without data; there may be more later."""
        if self._hearer is not None:
            self.startReading()
            self.doRead()
