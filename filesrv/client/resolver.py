"""
Host names, resolved without a thread.

The system's own resolver (getaddrinfo(3), with nsswitch, mDNS and search domains) blocks
whoever calls it, and Twisted's asks it in a thread pool.  Here a child process asks, and
the one thread of this process goes on.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Sequence
from typing import Any

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
)
from twisted.internet.protocol import ProcessProtocol
from zope.interface import implementer

from filesrv.client.errors import CannotConnect

__all__ = ["NameNotResolved", "ReactorThatKnows", "resolve"]

#: Asks for the host that it is given, and writes down what it is told.  Isolated (-I,
#: -S), it starts in a few milliseconds and imports nothing that lies about.
_ASK = """
import json, socket, sys
try:
    found = socket.getaddrinfo(sys.argv[1], None, 0, socket.SOCK_STREAM)
    print(json.dumps([[family, *address] for family, _, _, _, address in found]))
except (OSError, UnicodeError) as error:
    print(json.dumps(getattr(error, "strerror", None) or "that is no name of a host"))
"""

#: Bytes of an answer that are read at most: a name has a few addresses, not thousands.
_LONGEST_ANSWER = 1024 * 1024


class NameNotResolved(CannotConnect):
    """The system knows no address for the name, now at least."""


def resolve(reactor: Any, host: str, port: int) -> Deferred[list[IAddress]]:
    """
    The addresses of C{host}, in the system's order of preference.

    Cancelling it ends the child process.

    @param host: a name, or an address, which needs no asking.
    @raise NameNotResolved: there are none, with the system's words for it.
    """
    literal = _literal(host, port)
    if literal is not None:
        found: Deferred[list[IAddress]] = Deferred()
        found.callback([literal])
        return found
    question = _Question(host, port)
    arguments = [sys.executable, "-I", "-S", "-c", _ASK, host]
    reactor.spawnProcess(question, sys.executable, arguments, env=os.environ)
    return question.answer


def _literal(host: str, port: int) -> IAddress | None:
    if isIPAddress(host):
        return IPv4Address("TCP", host, port)
    if isIPv6Address(host):
        return IPv6Address("TCP", host, port)
    return None


class _Question(ProcessProtocol):
    """One child process, and what it says."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._said = b""
        self.answer: Deferred[list[IAddress]] = Deferred(lambda _: self._stop())

    transport: Any

    def connectionMade(self) -> None:
        self.transport.closeStdin()

    def outReceived(self, data: bytes) -> None:
        self._said += data
        if len(self._said) > _LONGEST_ANSWER:
            self._stop()

    def outConnectionLost(self) -> None:
        # All is said when it is written; when the process is gone for good is of no
        # interest, and the reactor hears of it later.
        answer = self.answer
        if answer.called:
            return
        try:
            addresses = _addresses(json.loads(self._said), self._port)
        except ValueError as error:
            words = str(error) if isinstance(error, _SystemWords) else "the system does not say"
            answer.errback(NameNotResolved(f"no address for {self._host}: {words}"))
        else:
            answer.callback(addresses)

    def _stop(self) -> None:
        if self.transport is not None and self.transport.pid:
            self.transport.signalProcess("KILL")


class _SystemWords(ValueError):
    """What the system's resolver said instead of an address."""


def _addresses(answer: Any, port: int) -> list[IAddress]:
    if isinstance(answer, str):
        raise _SystemWords(answer)
    found: list[IAddress] = []
    for family, host, _, *rest in answer:
        if family == socket.AF_INET:
            found.append(IPv4Address("TCP", host, port))
        elif family == socket.AF_INET6:
            scope = f"%{rest[1]}" if rest[1] and "%" not in host else ""
            found.append(IPv6Address("TCP", host + scope, port))
    if not found:
        raise _SystemWords("it has none of TCP/IP")
    return found


@implementer(IReactorPluggableNameResolver)
class ReactorThatKnows:
    """
    A reactor with a name resolver of its own, for one
    L{twisted.internet.endpoints.HostnameEndpoint}, which asks its reactor for one.  It
    resolves every name to the addresses that are known already.
    """

    def __init__(self, reactor: Any, addresses: Sequence[IAddress]) -> None:
        self._reactor = reactor
        self.nameResolver: IHostnameResolver = _Known(addresses)

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        """See L{IReactorPluggableNameResolver}."""
        before, self.nameResolver = self.nameResolver, resolver
        return before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)


@implementer(IHostnameResolver)
class _Known:
    """Answers every question with the same addresses."""

    def __init__(self, addresses: Sequence[IAddress]) -> None:
        self._addresses = addresses

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        resolution = _Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        for address in self._addresses:
            resolutionReceiver.addressResolved(address)
        resolutionReceiver.resolutionComplete()
        return resolution


@implementer(IHostResolution)
class _Resolution:
    """Over before it can be cancelled."""

    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """There is nothing left to cancel."""
