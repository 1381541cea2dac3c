"""
Where to listen: port numbers, and what Twisted's endpoint descriptions describe.
"""

from __future__ import annotations

import errno
import os
import re
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.python.usage import UsageError

from filesrv.server.proxied import ProxiedEndpoint
from filesrv.server.secured import SecuredEndpoint
from filesrv.service.certificates import Certificates
from filesrv.transfer.certificates import Credentials, WrongFile
from filesrv.transfer.sockets import is_dual_stack

__all__ = ["DualStackEndpoint", "address_of", "endpoint_of"]

#: What a machine without IPv6 says.
_NO_IPV6 = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})


#: Connections that the kernel keeps for us until they are accepted; it takes what
#: net.core.somaxconn allows of that (listen(2)).  Twisted's 50 are gone in an instant when
#: many clients come back at once, and who finds no place waits for a second at least.
BACKLOG = 4096


#: The kinds of descriptions that take it; those of systemd and inetd listen already.
_WITH_BACKLOG = frozenset({"tcp", "tcp6", "unix"})


#: What a description is made of, between its colons; a backslash takes away the meaning of
#: what stands behind it.
_FIELD = re.compile(r"(?:\\.|[^:\\])+")
_ESCAPED = re.compile(r"\\(.)")

#: What C{ssl:} may say of its files, and of its socket.
_FILES = ("privateKey", "certKey")
_SOCKET = ("interface", "backlog")


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
    reactor: Any, description: str, option: str = "port", certificates: Certificates | None = None
) -> Any:
    """
    The endpoint that C{option} describes.

    @param certificates: for C{tls:} and C{ssl:}; without them, it can be made and not listen.
    @raise UsageError: it describes none, or one that has no certificate.
    """
    if description.isascii() and description.isdigit():
        if int(description) > 65535:
            raise UsageError(f"--{option} {description}: ports go up to 65535")
        return DualStackEndpoint(reactor, int(description))
    kind, _, behind = description.partition(":")
    if kind == "haproxy":
        return ProxiedEndpoint(reactor, endpoint_of(reactor, behind, option, certificates))
    if kind in ("tls", "ssl") and option == "port":
        files: dict[str, str] = {}
        try:
            if kind == "ssl":
                behind, files = _ssl(behind)
            credentials = _shown(certificates, files)
        except (ValueError, WrongFile) as error:
            raise UsageError(f"--{option} {description}: {error}") from error
        endpoint = endpoint_of(reactor, behind, option, certificates)
        return SecuredEndpoint(reactor, endpoint, credentials)
    more = f":backlog={BACKLOG}" if kind in _WITH_BACKLOG and "backlog=" not in behind else ""
    try:
        return serverFromString(reactor, description + more)
    except Exception as error:  # plugins raise what they like
        raise UsageError(f"--{option} {description}: {error}") from error


def _ssl(behind: str) -> tuple[str, dict[str, str]]:
    """
    What Twisted's C{ssl:} says, which needs pyOpenSSL and knows no half-closed connection:
    the same endpoint without TLS, and the files.

    @raise ValueError: it says something else.
    """
    port, *fields = _FIELD.findall(behind) or [""]
    files: dict[str, str] = {}
    socket = []
    for field in fields:
        key, equals, value = field.partition("=")
        if not equals or key not in _FILES + _SOCKET:
            known = ", ".join(f"{key}=" for key in _SOCKET + _FILES)
            raise ValueError(f"what may stand behind the port is {known}")
        if key in _FILES:
            files[key] = _ESCAPED.sub(r"\1", value)
        else:
            socket.append(field)
    return (port if port.isdigit() and not socket else ":".join(["tcp", port, *socket])), files


def _shown(certificates: Certificates | None, files: dict[str, str]) -> Credentials | None:
    """
    What an endpoint shows: the pair in its files, one of which may hold both, or the default.

    @raise ValueError: there is none.
    @raise WrongFile: the files cannot be used.
    """
    if certificates is None:
        return None
    key = files.get("privateKey")
    certificate = files.get("certKey", key)
    if certificate is not None:
        return certificates.of(certificate, key)
    if certificates.default is None:
        raise ValueError("there is no --certificate for it")
    return certificates.default


def address_of(port: Any) -> str:
    """Where a port listens, as a log line and a test read it."""
    host = port.getHost()
    if not hasattr(host, "port"):
        return f"unix:{os.fsdecode(host.name)}"
    if host.host != "::":
        return f"[{host.host}]:{host.port}" if ":" in host.host else f"{host.host}:{host.port}"
    both = " (IPv4 and IPv6)" if is_dual_stack(port.socket) else ""
    return f"[::]:{host.port}{both}"
