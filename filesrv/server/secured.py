"""
Connections that are under TLS from their first byte: their protocol hears of them when the
handshake is done.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure

from filesrv.server.gate import Gate, TurnedAway
from filesrv.transfer.certificates import Credentials
from filesrv.transfer.sockets import shown_peer
from filesrv.transfer.tls import TLSLayer

__all__ = ["SecuredEndpoint", "SecuredFactory"]


class SecuredFactory(WrappingFactory[ProtocolWrapper]):
    """
    Makes a L{TLSLayer} around each protocol of another factory, at whose gate handshakes
    count like connections.
    """

    noisy = False
    _log = Logger()

    def __init__(self, reactor: Any, credentials: Credentials, wrapped: Factory) -> None:
        super().__init__(wrapped)  # type: ignore[no-untyped-call]
        self._reactor = reactor
        self._credentials = credentials
        self._gate: Gate = _innermost(wrapped).gate

    def buildProtocol(self, addr: IAddress | None) -> ProtocolWrapper:
        protocol: Any = self.wrappedFactory.buildProtocol(addr)
        if isinstance(protocol, TurnedAway):
            # It is told nothing: without a handshake it could not read it.
            return ProtocolWrapper(self, protocol)
        layer = TLSLayer(self._reactor, protocol, self._credentials.context, server_side=True)
        host = getattr(addr, "host", None)
        self._gate.enter(host)

        def ended(result: object) -> object:
            self._gate.leave(host)
            return result

        def failed(failure: Failure) -> None:
            self._log.warn(
                "client {peer}: no TLS: {why}",
                peer=shown_peer(layer.transport.getPeer()),
                why=failure.value,
            )

        layer.done.addBoth(ended)
        layer.done.addCallbacks(lambda _: protocol.makeConnection(layer), failed)
        layer.done.addErrback(lambda failure: self._log.failure("a fault of ours", failure))
        return layer


def _innermost(factory: Any) -> Any:
    while isinstance(factory, WrappingFactory):
        factory = factory.wrappedFactory
    return factory


class SecuredEndpoint:
    """Listens like another endpoint, under TLS."""

    def __init__(self, reactor: Any, endpoint: Any, credentials: Credentials | None) -> None:
        self._reactor = reactor
        self._endpoint = endpoint
        self._credentials = credentials

    def listen(self, factory: Factory) -> Deferred[Any]:
        """What the other endpoint gives."""
        assert self._credentials is not None
        secured = SecuredFactory(self._reactor, self._credentials, factory)
        listening: Deferred[Any] = self._endpoint.listen(secured)
        return listening
