"""
Where services over UDP listen.
"""

from __future__ import annotations

import errno
import re
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.python.usage import UsageError

from filesrv.transfer.datagrams import DatagramPort, DatagramService

__all__ = ["SamePortEndpoint", "UDPEndpoint"]

_UDP = re.compile(r"(?:udp:)?(?P<port>[0-9]{1,5})(?::interface=(?P<interface>\S+))?", re.ASCII)

#: What a machine without IPv6 says.
_NO_IPV6 = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})


class UDPEndpoint:
    """A port on one address, or on all, of IPv4 and IPv6."""

    def __init__(self, reactor: Any, port: int, interface: str = "") -> None:
        self._reactor = reactor
        self._port = port
        self._interface = interface

    @classmethod
    def parse(cls, reactor: Any, option: str, text: str) -> UDPEndpoint:
        """
        C{PORT}, or C{udp:PORT:interface=ADDRESS} like the descriptions of Twisted, which
        has them for streams alone.

        @param option: where it was said.
        @raise UsageError: neither.
        """
        match = _UDP.fullmatch(text)
        if match is None:
            raise UsageError(f"--{option} takes PORT or udp:PORT:interface=ADDRESS, not {text}")
        port = int(match["port"])
        if port > 65535:
            raise UsageError(f"--{option} {text}: ports go up to 65535")
        # In descriptions of endpoints a colon is quoted.
        return cls(reactor, port, (match["interface"] or "").replace("\\:", ":"))

    def listen(self, service: DatagramService) -> Deferred[list[IListeningPort]]:
        """
        Listen on one socket, for both families where the machine has both.

        @raise CannotListenError: (in the Deferred) the port is in use, for example.
        """
        return ensureDeferred(self._listen(service))

    async def _listen(self, service: DatagramService) -> list[IListeningPort]:
        if self._interface:
            return [self._bind(service, self._port, self._interface)]
        try:
            return [self._bind(service, self._port, "::")]
        except CannotListenError as error:
            if getattr(error.socketError, "errno", None) not in _NO_IPV6:
                raise
            return [self._bind(service, self._port, "0.0.0.0")]

    def _bind(self, service: DatagramService, number: int, interface: str) -> IListeningPort:
        port: Any = DatagramPort(self._reactor, number, service, interface)
        port.startListening()
        return port  # type: ignore[no-any-return]


class SamePortEndpoint:
    """A TCP endpoint, and UDP on the addresses and port numbers that it gets."""

    def __init__(self, reactor: Any, stream: Any, datagrams: DatagramService) -> None:
        self._reactor = reactor
        self._stream = stream
        self._datagrams = datagrams

    def listen(self, factory: Factory) -> Deferred[list[IListeningPort]]:
        """
        Listen on both, or on none.

        @raise CannotListenError: (in the Deferred) one of them is in use, for example.
        """
        return ensureDeferred(self._listen(factory))

    async def _listen(self, factory: Factory) -> list[IListeningPort]:
        found = await self._stream.listen(factory)
        ports: list[IListeningPort] = found if isinstance(found, list) else [found]
        try:
            for stream in list(ports):
                host = stream.getHost()
                if not isinstance(host, (IPv4Address, IPv6Address)):
                    raise UsageError("--daytime-udp needs the number of a TCP port")
                endpoint = UDPEndpoint(self._reactor, host.port, str(host.host))
                ports += await endpoint.listen(self._datagrams)
        except BaseException:
            for port in ports:
                port.stopListening()
            raise
        return ports
