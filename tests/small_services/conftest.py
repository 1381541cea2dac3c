"""What the tests of the small services share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from filesrv.small_services.guarded import GuardedService
from filesrv.transfer.datagrams import Datagram
from tests.support.logs import Log

#: Of the service that is asked, in tests without a socket.
OWN_PORT = 9007


class Wire:
    """
    A transport that writes down what is sent.

    @ivar works: whether the system takes what is sent.
    """

    def __init__(self) -> None:
        self.answers: list[tuple[Datagram, bytes]] = []
        self.works = True

    def getHost(self) -> IPv4Address:
        return IPv4Address("UDP", "192.0.2.9", OWN_PORT)

    def answer(self, datagram: Datagram, data: bytes) -> bool:
        if self.works:
            self.answers.append((datagram, data))
        return self.works


def put_on_wire(service: GuardedService) -> None:
    """Have a service listen where a test sends."""
    wire: Any = Wire()
    service.makeConnection(wire)


def ask(service: GuardedService, datagram: Datagram) -> bytes | None:
    """Deliver a datagram; what went back to who sent it."""
    wire = service.transport
    wire.answers.clear()
    service.datagram_arrived(datagram)
    if not wire.answers:
        return None
    ((asked, data),) = wire.answers
    assert asked is datagram
    return bytes(data)


def datagram(
    data: bytes = b"hello",
    host: str = "192.0.2.1",
    port: int = 40000,
    asked_at: str | None = "192.0.2.9",
) -> Datagram:
    """One that somebody sends."""
    return Datagram(data, (host, port), asked_at)


@pytest.fixture
def clock() -> Clock:
    """Starts at a moment with a name: Friday, 20 November 2026, 11:10:45 UTC."""
    clock = Clock()
    clock.advance(1795173045.25)
    return clock


@pytest.fixture
def start() -> Iterator[Callable[[GuardedService], GuardedService]]:
    """Has a service listen on a wire, and stop in the end."""
    started: list[GuardedService] = []

    def begin(service: GuardedService) -> GuardedService:
        put_on_wire(service)
        started.append(service)
        return service

    yield begin
    for service in started:
        if service.transport is not None:
            service.doStop()


@pytest.fixture
def log() -> Iterator[Log]:
    """What is logged."""
    log = Log()

    observe: Any = log.events.append
    globalLogPublisher.addObserver(observe)
    yield log
    globalLogPublisher.removeObserver(observe)
