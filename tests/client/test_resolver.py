"""Host names without a thread, and how a connection comes about: on the real reactor."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Generator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Factory, Protocol

from filesrv.client import connect, resolver
from filesrv.client.errors import CannotConnect, ConnectionEnded
from filesrv.client.resolver import NameNotResolved, resolve
from filesrv.client.trust import Trust
from filesrv.wire.endings import Ending
from filesrv.wire.replies import MalformedReply


@pytest.fixture
def reactor() -> Any:
    from twisted.internet import reactor

    return reactor


class Server:
    """Says something to whoever connects, and then perhaps closes."""

    def __init__(self, reactor: Any, says: bytes, closes: bool = False) -> None:
        self.heard = b""
        self.connections = 0
        server = self

        class Saying(Protocol):
            def connectionMade(self) -> None:
                server.connections += 1
                assert self.transport is not None
                self.transport.write(says)
                if closes:
                    self.transport.loseConnection()

            def dataReceived(self, data: bytes) -> None:
                server.heard += data

        self.port = reactor.listenTCP(0, Factory.forProtocol(Saying), interface="127.0.0.1")

    @property
    def number(self) -> int:
        return int(self.port.getHost().port)


@pytest.fixture
def server(reactor: Any) -> Generator[Callable[..., Server]]:
    made: list[Server] = []

    def make(*args: Any, **more: Any) -> Server:
        made.append(Server(reactor, *args, **more))
        return made[-1]

    yield make
    for each in made:
        pytest_twisted.blockon(each.port.stopListening())


@pytest_twisted.ensureDeferred
async def test_a_name_has_the_addresses_that_the_system_gives_it(reactor: Any) -> None:
    found = await resolve(reactor, "localhost", 80)

    assert {address.host for address in found} & {"127.0.0.1", "::1"}  # type: ignore[attr-defined]
    assert all(address.port == 80 for address in found)  # type: ignore[attr-defined]


@pytest_twisted.ensureDeferred
async def test_resolving_takes_no_thread_and_does_not_hold_the_reactor(reactor: Any) -> None:
    before = threading.active_count()
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        if not asked.called:
            reactor.callLater(0, turn)

    asked = resolve(reactor, "localhost", 80)
    reactor.callLater(0, turn)
    await asked

    assert turns > 3
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", IPv4Address("TCP", "192.0.2.1", 80)),
        ("2001:db8::1", IPv6Address("TCP", "2001:db8::1", 80)),
        ("fe80::1%lo", IPv6Address("TCP", "fe80::1%lo", 80)),
    ],
)
def test_an_address_is_not_asked_about(host: str, address: object) -> None:
    found: list[Any] = []

    resolve(None, host, 80).addCallback(found.extend)

    assert found == [address]


@pytest.mark.parametrize("host", ["no-such-name.invalid", "x" * 300, "a..b", "-"])
@pytest_twisted.ensureDeferred
async def test_a_name_that_is_none_is_said_to_be_so_in_one_line(reactor: Any, host: str) -> None:
    with pytest.raises(NameNotResolved) as caught:
        await resolve(reactor, host, 80)

    assert str(caught.value).startswith("no address for ")
    assert "\n" not in str(caught.value)


@pytest_twisted.ensureDeferred
async def test_a_name_is_never_taken_for_an_option_or_a_program(
    reactor: Any, tmp_path: Any
) -> None:
    trap = tmp_path / "trap"
    for host in ("-c", "--help", f"; touch {trap}", f"$(touch {trap})"):
        with pytest.raises(NameNotResolved):
            await resolve(reactor, host, 80)

    assert not trap.exists()


@pytest_twisted.ensureDeferred
async def test_cancelling_ends_the_child(reactor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "_ASK", "import time; time.sleep(600)")
    before = _children()
    asked = resolve(reactor, "localhost", 80)
    started = _children() - before
    assert len(started) == 1

    asked.cancel()

    with pytest.raises(CancelledError):
        await asked
    await _wait_for(reactor, lambda: not started & _children())


def _children() -> set[str]:
    """Those that run; what has ended and waits to be reaped counts no more."""
    path = f"/proc/self/task/{os.getpid()}/children"
    with open(path) as file:
        found = file.read().split()
    running = set()
    for pid in found:
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] != "Z":
                    running.add(pid)
        except OSError:
            continue
    return running


async def _wait_for(reactor: Any, happened: Callable[[], bool]) -> None:
    done: Deferred[None] = Deferred()

    def look() -> None:
        if happened():
            done.callback(None)
        else:
            reactor.callLater(0.01, look)

    look()
    await done.addTimeout(20, reactor)


@pytest_twisted.ensureDeferred
async def test_a_server_is_reached_by_its_name_and_greets(
    reactor: Any, server: Callable[..., Server]
) -> None:
    listening = server(b"OK filesrv 1 ready\r\n")

    connection = await connect(reactor, "localhost", listening.number)

    assert connection.usable
    await connection.close()
    assert not connection.usable


@pytest_twisted.ensureDeferred
async def test_nobody_listening_is_refused_in_one_line(reactor: Any) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(CannotConnect, match=rf"127\.0\.0\.1:{port}: the connection was ref"):
            await connect(reactor, "127.0.0.1", port)


@pytest_twisted.ensureDeferred
async def test_who_accepts_and_never_greets_is_not_waited_for(
    reactor: Any, server: Callable[..., Server]
) -> None:
    silent = server(b"")

    with pytest.raises(CannotConnect, match="does not answer"):
        await connect(reactor, "127.0.0.1", silent.number, timeout=0.2)

    assert silent.connections == 1


@pytest_twisted.ensureDeferred
async def test_who_closes_without_a_greeting_cannot_be_connected_to(
    reactor: Any, server: Callable[..., Server]
) -> None:
    closing = server(b"", closes=True)

    with pytest.raises(CannotConnect, match="closed"):
        await connect(reactor, "127.0.0.1", closing.number)


@pytest_twisted.ensureDeferred
async def test_no_token_is_given_to_another_program(
    reactor: Any, server: Callable[..., Server]
) -> None:
    other = server(b"220 mail.example.org ESMTP\r\n")

    with pytest.raises(MalformedReply):
        await connect(reactor, "127.0.0.1", other.number, token="t" * 32)

    assert other.heard == b""


@pytest_twisted.ensureDeferred
async def test_to_a_server_that_was_there_all_is_said_without_waiting_for_its_greeting(
    reactor: Any, server: Callable[..., Server]
) -> None:
    silent = server(b"")

    connection = await connect(
        reactor, "127.0.0.1", silent.number, token="t" * 32, timeout=0.2, greeted_before=True
    )
    with pytest.raises(ConnectionEnded, match="nothing moved"):
        await connection.stat("name")

    assert silent.heard == b"HELLO " + b"t" * 32 + b"\nSTAT name\n"
    assert not connection.usable


@pytest.mark.parametrize(
    ("says", "failing"),
    [
        (b"ERR TOO_MANY_CONNECTIONS come back later\r\n", ConnectionEnded),
        (b"220 mail.example.org ESMTP\r\n", MalformedReply),
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_was_said_ahead_fails_when_the_server_is_not_what_it_was(
    reactor: Any, server: Callable[..., Server], says: bytes, failing: type[Exception]
) -> None:
    other = server(says)

    connection = await connect(reactor, "127.0.0.1", other.number, greeted_before=True)
    with pytest.raises(failing) as caught:
        await connection.stat("name")

    assert getattr(caught.value, "ending", Ending.REFUSED) is Ending.REFUSED
    assert not connection.usable


@pytest_twisted.ensureDeferred
async def test_under_tls_nothing_is_said_ahead(reactor: Any, server: Callable[..., Server]) -> None:
    silent = server(b"")

    with pytest.raises(CannotConnect, match="does not answer"):
        await connect(
            reactor,
            "127.0.0.1",
            silent.number,
            token="t" * 32,
            trust=Trust(),
            timeout=0.2,
            greeted_before=True,
        )

    assert silent.heard == b""


@pytest_twisted.ensureDeferred
async def test_cancelling_a_connection_in_the_making_leaves_nothing(
    reactor: Any, server: Callable[..., Server]
) -> None:
    silent = server(b"")
    making = connect(reactor, "127.0.0.1", silent.number)
    reactor.callLater(0.05, making.cancel)

    with pytest.raises(CancelledError):
        await making
