"""
Whom a service over UDP answers, so that it cannot be used against others.

Anybody can write anybody's address on a datagram.  So an answer may go to somebody who
never asked, who must get no more of it than the sender spent, and to a service that
answers in turn, which would go on for ever.
"""

from __future__ import annotations

import enum

from twisted.internet.interfaces import IReactorTime

from filesrv.small_services.buckets import Buckets
from filesrv.transfer.datagrams import Datagram
from filesrv.transfer.sockets import network_of
from filesrv.wire.datagrams import BURST, RATE, cost

__all__ = ["Guard", "Refusal"]

#: The first port that every user may send from (IPPORT_RESERVED of BSD).  Clients do;
#: below are services: echo, daytime, chargen, DNS.
_FIRST_UNPRIVILEGED = 1024


class Refusal(enum.Enum):
    """Why a datagram is not answered, as the log says it."""

    SERVICE_PORT = "from ports under 1024"
    OWN_PORT = "from a port of ours"
    NOT_ONE = "to more than this machine"
    IS_ANSWER = "answers themselves"
    TOO_MUCH = "over the rate for an address"
    NOT_SENT = "that the system did not send"


class Guard:
    """
    One for all services of a daemon, which must not answer each other either.

    @ivar own_ports: what they listen on.  They may be reached by any of this machine's
        addresses, and another machine may have the same service on the same port: so
        the port alone decides.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._buckets = Buckets(clock, RATE, BURST)
        self.own_ports: set[int] = set()

    def refuses(self, datagram: Datagram, answer_size: int) -> Refusal | None:
        """
        Why it is not to be answered; L{None} if it is, which is then accounted for.

        @param answer_size: bytes.
        """
        if datagram.port < _FIRST_UNPRIVILEGED:
            return Refusal.SERVICE_PORT
        if datagram.port in self.own_ports:
            return Refusal.OWN_PORT
        if datagram.asked_at is not None and _is_multicast(datagram.asked_at):
            return Refusal.NOT_ONE
        if not self._buckets.take(network_of(datagram.host), cost(answer_size)):
            return Refusal.TOO_MUCH
        return None


def _is_multicast(host: str) -> bool:
    if ":" in host and "." not in host:
        return host.lower().startswith("ff")
    return 224 <= int(host.rpartition(":")[2].partition(".")[0]) < 240
