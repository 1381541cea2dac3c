"""
Where to listen: port numbers, and what Twisted's endpoint descriptions describe.
"""

from __future__ import annotations

import errno
import os
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.python.usage import UsageError

from filesrv.server.proxied import ProxiedEndpoint
from filesrv.server.secured import SecuredEndpoint
from filesrv.transfer.certificates import Credentials
from filesrv.transfer.sockets import is_dual_stack

__all__ = ["DualStackEndpoint", "address_of", "endpoint_of"]

#: What a machine without IPv6 says.
_NO_IPV6 = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})


#: Connections that the kernel keeps for us until they are accepted; it takes what
#: net.core.somaxconn allows of that (listen(2)).  Twisted's 50 are gone in an instant when
#: many clients come back at once, and who finds no place waits for a second at least.
BACKLOG = 4096


#: The kinds of descriptions that take it; those of systemd and inetd listen already.
_WITH_BACKLOG = frozenset({"tcp", "tcp6", "ssl", "unix"})


class DualStackEndpoint:
    """
    A port number, on IPv4 and IPv6 at once where the machine has both.

    Like an C{IStreamServerEndpoint}, but C{listen} may give two ports.
    """

    def __init__(self, reactor: Any, port: int) -> None:
        self._reactor = reactor
        self._port = port

    def listen(self, factory: Factory) -> Deferred[list[IListeningPort]]:
        """Listen on one socket for both families, or on one for each."""
        return ensureDeferred(self._listen(factory))

    async def _listen(self, factory: Factory) -> list[IListeningPort]:
        try:
            six = self._reactor.listenTCP(self._port, factory, BACKLOG, "::")
        except CannotListenError as error:
            if getattr(error.socketError, "errno", None) in _NO_IPV6:
                return [self._reactor.listenTCP(self._port, factory, BACKLOG)]
            raise
        if is_dual_stack(six.socket):
            return [six]
        return [six, self._reactor.listenTCP(six.getHost().port, factory, BACKLOG)]


def endpoint_of(
    reactor: Any, description: str, option: str = "port", credentials: Credentials | None = None
) -> Any:
    """
    The endpoint that C{option} describes.

    @param credentials: for C{tls:}; without them, it can be made and not listen.
    @raise UsageError: it describes none.
    """
    if description.isascii() and description.isdigit():
        if int(description) > 65535:
            raise UsageError(f"--{option} {description}: ports go up to 65535")
        return DualStackEndpoint(reactor, int(description))
    kind, _, behind = description.partition(":")
    if kind == "haproxy":
        return ProxiedEndpoint(reactor, endpoint_of(reactor, behind, option, credentials))
    if kind == "tls" and option == "port":
        endpoint = endpoint_of(reactor, behind, option, credentials)
        return SecuredEndpoint(reactor, endpoint, credentials)
    more = f":backlog={BACKLOG}" if kind in _WITH_BACKLOG and "backlog=" not in behind else ""
    try:
        return serverFromString(reactor, description + more)
    except Exception as error:  # plugins raise what they like
        raise UsageError(f"--{option} {description}: {error}") from error


def address_of(port: Any) -> str:
    """Where a port listens, as a log line and a test read it."""
    host = port.getHost()
    if not hasattr(host, "port"):
        return f"unix:{os.fsdecode(host.name)}"
    if host.host != "::":
        return f"[{host.host}]:{host.port}" if ":" in host.host else f"{host.host}:{host.port}"
    both = " (IPv4 and IPv6)" if is_dual_stack(port.socket) else ""
    return f"[::]:{host.port}{both}"
