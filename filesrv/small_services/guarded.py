"""
What the services over UDP have in common: a datagram is answered with one, or not at all.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from filesrv.small_services.guard import Guard, Refusal
from filesrv.small_services.tally import Tally
from filesrv.transfer.datagrams import Datagram, DatagramService

__all__ = ["GuardedService"]


class GuardedService(DatagramService):
    """What answers a datagram with one datagram, to whom the guard allows it."""

    name = "a service"

    def __init__(self, clock: IReactorTime, guard: Guard) -> None:
        self._guard = guard
        self._tally = Tally(clock, self.name)
        self._port: int | None = None

    def startProtocol(self) -> None:
        self._port = self.transport.getHost().port
        self._guard.own_ports.add(self._port)

    def stopProtocol(self) -> None:
        if self._port is not None:
            self._guard.own_ports.discard(self._port)
        self._tally.stop()

    def datagram_arrived(self, datagram: Datagram) -> None:
        self._tally.count(datagram, self._answer(datagram))

    def answer_to(self, data: bytes) -> bytes | None:
        """The answer; L{None} if C{data} is one itself."""
        raise NotImplementedError

    def _answer(self, datagram: Datagram) -> Refusal | None:
        answer = self.answer_to(datagram.data)
        if answer is None:
            return Refusal.IS_ANSWER
        refusal = self._guard.refuses(datagram, len(answer))
        if refusal is None and not self.transport.answer(datagram, answer):
            return Refusal.NOT_SENT
        return refusal
