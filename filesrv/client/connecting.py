"""
How a connection comes about: a name's addresses, the fastest of them, the greeting, TLS,
and who the client is: told to nobody who has not said that it speaks filesrv.
"""

from __future__ import annotations

import os
from collections.abc import Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet import error
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from filesrv.client.address import DEFAULT_PORT, ServerAddress
from filesrv.client.connection import Connection
from filesrv.client.errors import CannotConnect, ConnectionEnded, NoTLS, Untrusted
from filesrv.client.protocol import ClientProtocol
from filesrv.client.resolver import ReactorThatKnows, resolve
from filesrv.transfer.liveness import Liveness
from filesrv.wire.endings import Ending
from filesrv.wire.errors import FilesrvError
from filesrv.wire.replies import MalformedReply

if TYPE_CHECKING:
    from filesrv.client.trust import Trust

__all__ = ["CONNECT_TIMEOUT", "DEAD_AFTER", "STALL_TIMEOUT", "connect", "dial"]

#: Seconds for the name, the handshake and the greeting.  TCP sends its first segment
#: again after 1, 3 and 7 seconds; who has not answered the fourth is not there.
CONNECT_TIMEOUT = 12.0

#: Seconds after which a server that does not answer is gone, and one that answers but
#: moves nothing has stalled.
DEAD_AFTER = 30.0
STALL_TIMEOUT = 300.0


class _ClientFactory(Factory):
    noisy = False

    def __init__(self, reactor: Any, liveness: Liveness) -> None:
        self._reactor = reactor
        self._liveness = liveness

    def buildProtocol(self, addr: object) -> ClientProtocol:
        return ClientProtocol(self._reactor, self._liveness)


def connect(
    reactor: Any,
    host: str,
    port: int = DEFAULT_PORT,
    *,
    token: str | None = None,
    trust: Trust | None = None,
    implicit: bool = False,
    liveness: Liveness | None = None,
    timeout: float = CONNECT_TIMEOUT,
    greeted_before: bool = False,
) -> Deferred[Connection]:
    """
    Connect to a server.  Cancelling it leaves nothing behind.

    @param token: by which the server is to know this client instead of by its address.
    @param trust: how the server has to prove who it is; L{None} if there is no TLS.
    @param implicit: whether there is TLS from the first byte, not from STARTTLS on.
    @param liveness: how it is noticed that the server is gone; if none is given, as the
        command does it by default.
    @param timeout: seconds for all of it.
    @param greeted_before: whether a filesrv server was there a moment ago.  Then what is
        said, the token too, need not wait a round trip for its greeting: the connection
        ends as C{REFUSED} if it takes none now.  Under TLS it is waited for all the same.
    @raise CannotConnect: the name has no address, or nobody answers there.
    @raise NoTLS: there is no TLS with this server; L{Untrusted} if it is not who it should be.
    @raise filesrv.wire.errors.FilesrvError: the server takes no connection now.
    @raise filesrv.wire.replies.MalformedReply: that is not a filesrv server.
    """
    server = ServerAddress(host, port, implicit)
    factory = _ClientFactory(reactor, liveness or Liveness(reactor, DEAD_AFTER, STALL_TIMEOUT))
    if greeted_before and trust is None and not implicit:
        meeting = _meet_again(reactor, server, factory, timeout)
    else:
        meeting = _meet(reactor, server, factory, trust)
    connected = Deferred.fromCoroutine(_connect(reactor, server, factory, token, meeting))
    return connected.addTimeout(timeout, reactor, partial(_timed_out, server))


def _timed_out(server: ServerAddress, result: Connection | Failure, seconds: float) -> Connection:
    raise CannotConnect(f"{server} does not answer")


async def _connect(
    reactor: Any,
    server: ServerAddress,
    factory: _ClientFactory,
    token: str | None,
    meeting: Coroutine[Any, Any, Connection],
) -> Connection:
    try:
        connection = await meeting
    except Untrusted as error:
        # OpenSSL does not tell what it did not believe; it is asked for on its own.
        pin = await _shown_pin(reactor, server, factory) if error.pin is None else error.pin
        raise Untrusted(f"{server}: {error.words}", pin) from error
    if token is not None:
        # Its answer is not waited for: what comes next is sent right behind it.
        introduced = Deferred.fromCoroutine(connection.hello(token))
        introduced.addErrback(lambda _: connection.abort())
    return connection


async def _meet(
    reactor: Any, server: ServerAddress, factory: _ClientFactory, trust: Trust | None
) -> Connection:
    protocol = await dial(reactor, server, factory)
    assert isinstance(protocol, ClientProtocol)
    connection = Connection(protocol)
    try:
        if server.tls:
            from filesrv.client.trust import Trust, secure

            await secure(protocol, server.host, trust or Trust())
        await protocol.greeted()
        if trust is not None and not server.tls:
            await connection.start_tls(server.host, trust)
    except ConnectionEnded as problem:
        raise CannotConnect(f"{server}: {problem}") from problem
    except BaseException:
        connection.abort()
        raise
    return connection


async def _meet_again(
    reactor: Any, server: ServerAddress, factory: _ClientFactory, timeout: float
) -> Connection:
    """A connection whose greeting is still to come."""
    protocol = await dial(reactor, server, factory)
    assert isinstance(protocol, ClientProtocol)
    late = reactor.callLater(timeout, protocol.abort, Ending.STALLED)

    def refused(failure: Failure) -> None:
        protocol.abort(Ending.REFUSED)

    def heard(_: object) -> None:
        if late.active():
            late.cancel()

    Deferred.fromCoroutine(protocol.greeted()).addErrback(refused).addBoth(heard)
    return Connection(protocol)


async def _shown_pin(reactor: Any, server: ServerAddress, factory: _ClientFactory) -> bytes | None:
    from filesrv.client.trust import Trust

    try:
        (await _meet(reactor, server, factory, Trust(pin=b"nobody's"))).abort()
    except Untrusted as error:
        return error.pin
    except (CannotConnect, NoTLS, FilesrvError, MalformedReply):
        pass
    return None


async def dial(reactor: Any, server: ServerAddress, factory: Factory) -> IProtocol:
    """
    A connection to the fastest of the addresses of C{server}, whatever is spoken there.

    @raise CannotConnect: the name has no address, or nobody answers there.
    """
    addresses = await resolve(reactor, server.host, server.port)
    # The endpoint uses the name for its messages alone, and takes none that IDNA does
    # not know; the system has just taken it.
    endpoint = HostnameEndpoint(ReactorThatKnows(reactor, addresses), "server", server.port)
    try:
        return await endpoint.connect(factory)
    except error.ConnectingCancelledError:
        raise CancelledError from None
    except (error.ConnectError, error.DNSLookupError, OSError) as problem:
        raise CannotConnect(f"cannot connect to {server}: {_words(problem)}") from problem


def _words(problem: Exception) -> str:
    by_class = (
        (error.ConnectionRefusedError, "the connection was refused"),
        (error.NoRouteError, "there is no way to it"),
        (error.TimeoutError, "nobody answers"),
    )
    for kind, words in by_class:
        if isinstance(problem, kind):
            return words
    if problem.args and isinstance(problem.args[0], Failure):
        # What Twisted makes of an ICMP error, such as a firewall's that rejects.
        return "the connection was refused on the way"
    number = getattr(problem, "osError", None)
    return os.strerror(number) if isinstance(number, int) else str(problem)
