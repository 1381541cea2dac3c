"""
The factory: what all connections share, and who is connected.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from filesrv.server.events import Connected, Left, Refused, Who
from filesrv.server.gate import Gate, TurnedAway
from filesrv.server.patience import Patience
from filesrv.server.phases import Phase
from filesrv.server.protocol import FilesrvProtocol
from filesrv.server.session import Session
from filesrv.server.shelves import Shelves
from filesrv.store.registry import Registry
from filesrv.transfer.certificates import Credentials
from filesrv.transfer.liveness import Liveness
from filesrv.transfer.pace import DOWN, UP, Bandwidth
from filesrv.transfer.sockets import peer_user, plain_host, socket_under
from filesrv.wire.endings import Ending

__all__ = ["FilesrvFactory"]

#: Seconds between looks for connections that have nothing left to do, while the daemon
#: waits for the last ones: an unnoticeable part of the time that a restart takes.
SWEEP_EVERY = 0.1


class FilesrvFactory(ServerFactory):
    """
    Makes a L{FilesrvProtocol} for each connection.

    @ivar registry: the unfinished transfers, by client and file name.
    @ivar connections: those that are open.
    @ivar gate: how many there may be.
    @ivar patience: with those that say nothing.
    @ivar up: the rate of uploads, in all and of each; C{down}, of downloads.
    """

    noisy = False
    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        shelves: Shelves,
        liveness: Liveness,
        credentials: Credentials | None = None,
    ) -> None:
        """
        @param credentials: with which TLS can be begun, if it can.
        """
        self._reactor = reactor
        self.credentials = credentials
        self.liveness = liveness
        self.shelves = shelves
        self.registry: Registry = shelves.registry
        self.gate = Gate(reactor, shelves.limits)
        self.patience = Patience(reactor, shelves.limits)
        rates = (shelves.limits.rate, shelves.limits.rate_per_connection)
        self.up = Bandwidth(reactor, UP, *rates)
        self.down = Bandwidth(reactor, DOWN, *rates)
        self.connections: set[FilesrvProtocol] = set()
        self._all_gone: list[Deferred[None]] = []
        self._numbers = count(1)

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> FilesrvProtocol | TurnedAway:
        refusal = self.gate.refusal(_host(addr))
        if refusal is not None:
            self.shelves.events.publish(Refused(None, refusal))
            return TurnedAway(refusal)
        protocol = FilesrvProtocol(self._reactor)
        protocol.factory = self
        return protocol

    def connected(self, protocol: FilesrvProtocol) -> Session:
        """A connection was made: its conversation."""
        self.gate.enter(_host(protocol.transport.getPeer()))
        self.connections.add(protocol)
        who = Who(next(self._numbers), _client(protocol), _peer(protocol))
        session = Session(protocol, self.shelves, who)
        tls = f", {protocol.tls}" if protocol.tls else ""
        self._log.info("client {peer} connected{tls}", event="connected", peer=who.peer, tls=tls)
        self.shelves.events.publish(Connected(who))
        return session

    def disconnected(self, protocol: FilesrvProtocol) -> None:
        """A connection has ended."""
        self.gate.leave(_host(protocol.transport.getPeer()))
        self.connections.discard(protocol)
        session = protocol.session
        self._log.info(
            "client {peer} left: {reason}",
            event="left",
            peer=session.peer,
            user=session.user,
            reason=session.ending,
        )
        self.shelves.events.publish(Left(session.who, session.ending))
        if not self.connections:
            self._nobody_left()

    def _nobody_left(self) -> None:
        waiting, self._all_gone = self._all_gone, []
        for deferred in waiting:
            deferred.callback(None)

    def drain(self) -> Deferred[None]:
        """
        End idle connections, and let what is under way on the others end.

        @return: when nobody is connected any more; may be cancelled before.
        """
        sweep = LoopingCall(self._end_idle)
        sweep.clock = self._reactor
        gone: Deferred[None] = Deferred(self._all_gone.remove)
        self._all_gone.append(gone)
        sweep.start(SWEEP_EVERY)
        if not self.connections:
            self._nobody_left()

        def swept(result: None) -> None:
            sweep.stop()
            return result

        return gone.addBoth(swept)

    def _end_idle(self) -> None:
        for protocol in list(self.connections):
            session = protocol.session
            if session.phase is Phase.READY and not self.shelves.draining.waits(session.number):
                session.end(Ending.SERVER_STOPPED)

    async def end_all(self, ending: Ending, within: float) -> None:
        """
        End every connection, each so that it can be gone on with.

        @param within: seconds that the peers get to read the last reply.
        """
        for protocol in list(self.connections):
            protocol.session.end(ending)
            protocol.close(within)
        if self.connections:
            gone: Deferred[None] = Deferred()
            self._all_gone.append(gone)
            await gone


def _peer(protocol: FilesrvProtocol) -> str:
    """Address and port, for the log."""
    peer = protocol.transport.getPeer()
    host = _host(peer)
    return _client(protocol) if host is None else f"{host}({peer.port})"


def _client(protocol: FilesrvProtocol) -> str:
    """Who a connection's client is until it says so itself: its host, or its user."""
    host = _host(protocol.transport.getPeer())
    if host is not None:
        return host
    user = peer_user(socket_under(protocol.transport))
    return "local" if user is None else f"uid:{user}"


def _host(peer: object) -> str | None:
    """Its IP address, if it has one."""
    return plain_host(str(peer.host)) if isinstance(peer, (IPv4Address, IPv6Address)) else None
