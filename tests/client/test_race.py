"""The first of several addresses that takes a connection."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError, UserError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from filesrv.client.race import ATTEMPT_TIMEOUT, HEAD_START, connect_first

SIX = IPv6Address("TCP", "2001:db8::1", 9000)
FOUR = IPv4Address("TCP", "192.0.2.1", 9000)


class Race:
    """A race that a test decides."""

    def __init__(self, *addresses: IPv4Address | IPv6Address) -> None:
        self.reactor = MemoryReactorClock()
        factory = Factory.forProtocol(Protocol)
        self.winner: Deferred[Any] = connect_first(self.reactor, addresses, factory)

    @property
    def tried(self) -> list[str]:
        """The hosts, in the order in which they were."""
        return [client[0] for client in self.reactor.tcpClients]

    def take(self, number: int) -> Any:
        """An address takes the connection; its protocol."""
        factory = self.reactor.tcpClients[number][2]
        protocol = factory.buildProtocol(None)
        assert protocol is not None
        transport = StringTransport()
        protocol.makeConnection(transport)
        return protocol

    def fail(self, number: int, error: Exception) -> None:
        """It does not."""
        factory = self.reactor.tcpClients[number][2]
        factory.clientConnectionFailed(self.reactor.connectors[number], Failure(error))

    def stopped(self, number: int) -> bool:
        """Whether an attempt was."""
        stopped: bool = self.reactor.connectors[number].stoppedConnecting
        return stopped

    @property
    def idle(self) -> bool:
        return not self.reactor.getDelayedCalls()


def test_one_address_is_tried_at_once_and_alone() -> None:
    race = Race(FOUR)

    made = race.take(0)
    race.reactor.advance(0)

    assert race.tried == [FOUR.host]
    assert race.reactor.tcpClients[0][3] == ATTEMPT_TIMEOUT
    assert race.winner.result is made
    assert race.idle


def test_nobody_hears_of_a_protocol_before_it_has_its_transport() -> None:
    race = Race(FOUR)

    made = race.take(0)

    assert not race.winner.called
    race.winner.addCallback(lambda protocol: protocol.transport)
    race.reactor.advance(0)
    assert race.winner.result is made.transport


def test_the_next_address_is_tried_beside_one_that_says_nothing() -> None:
    race = Race(SIX, FOUR)

    race.reactor.advance(HEAD_START - 0.01)
    assert race.tried == [SIX.host]
    race.reactor.advance(0.01)
    assert race.tried == [SIX.host, FOUR.host]
    made = race.take(1)
    race.reactor.advance(0)

    assert race.winner.result is made
    assert race.stopped(0)
    assert race.idle


def test_the_first_may_win_after_the_second_was_begun() -> None:
    race = Race(SIX, FOUR)
    race.reactor.advance(HEAD_START)

    made = race.take(0)
    race.fail(1, UserError())
    race.reactor.advance(0)

    assert race.winner.result is made
    assert race.stopped(1)


def test_after_a_refusal_the_next_one_is_not_waited_for() -> None:
    race = Race(SIX, FOUR)

    race.fail(0, ConnectionRefusedError())
    race.reactor.advance(0)

    assert race.tried == [SIX.host, FOUR.host]
    assert not race.winner.called


def test_when_all_have_failed_it_fails_as_the_last_one_did() -> None:
    race = Race(SIX, FOUR)
    race.reactor.advance(HEAD_START)
    last = ConnectionRefusedError("the last")

    race.fail(1, ConnectionRefusedError("the first"))
    assert not race.winner.called
    race.fail(0, last)

    caught: list[Failure] = []
    race.winner.addErrback(caught.append)
    assert caught[0].value is last
    assert race.idle


@pytest.mark.parametrize("seconds", [0, HEAD_START])
def test_cancelling_stops_what_runs_and_begins_nothing(seconds: float) -> None:
    race = Race(SIX, FOUR)
    race.reactor.advance(seconds)
    caught: list[Failure] = []
    race.winner.addErrback(caught.append)
    begun = len(race.tried)

    race.winner.cancel()
    race.fail(0, UserError())

    assert len(caught) == 1
    assert all(map(race.stopped, range(begun)))
    assert len(race.tried) == begun
    assert race.idle


def test_a_connection_that_came_about_while_it_was_cancelled_is_ended() -> None:
    race = Race(FOUR)
    made = race.take(0)
    race.winner.addErrback(lambda _: None)

    race.winner.cancel()
    race.reactor.advance(0)

    assert made.transport.disconnected
