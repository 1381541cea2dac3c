"""The last minutes of a daemon, in memory."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from filesrv.transfer.digest import BlockDigests
from filesrv.wire.endings import Ending
from tests.support.memory import Client, Server

BYE = b"ERR SHUTTING_DOWN the server is stopping; what arrived is kept\r\n"


def drain(server: Server) -> Deferred[None]:
    """As the service does it when it is told to stop."""
    server.shelves.draining.on = True
    drained = server.factory.drain()
    server.settle()
    return drained


def digest(data: bytes) -> str:
    digests = BlockDigests()
    digests.update(memoryview(data))
    return digests.hexdigest()


def begun(server: Server, line: bytes) -> Client:
    client = server.connect()
    assert client.says(line).startswith(b"OK offset=0")
    return client


def test_who_is_idle_is_told_at_once_and_then_nobody_is_left(server: Server) -> None:
    idle = server.connect()
    drained = drain(server)

    assert idle.new() == BYE
    assert not drained.called
    idle.half_close()
    server.settle()
    assert drained.called


def test_with_nobody_there_it_is_over_at_once(server: Server) -> None:
    assert drain(server).called
    assert not server.reactor.getDelayedCalls()


def test_an_upload_goes_on_to_its_end_and_nothing_follows_it(server: Server) -> None:
    client = begun(server, b"UPLOAD f 6\nabc")
    drain(server)
    assert client.new() == b""
    said = client.says(b"def", b"UPLOAD g 3 0\nabc")

    assert said.startswith(b"OK stored=f size=6")
    assert said.endswith(BYE.replace(b"\r\n", b"\n"))
    assert (server.root / "f").read_bytes() == b"abcdef"
    assert not (server.root / "g").exists()


def test_who_asks_nothing_more_is_told_soon_after_the_end(server: Server) -> None:
    client = begun(server, b"UPLOAD f 6\nabc")
    drain(server)
    client.says(b"def")
    server.pass_time(1)

    assert client.new() == BYE
    assert client.end_seen


def test_a_download_goes_on_to_its_end(server: Server) -> None:
    server.put("f", b"x" * 1_000_000)
    client = server.connect()
    client.takes = 1000
    client.send(b"DOWNLOAD f\n")
    for _ in range(20):
        server.reactor.turn()
    drain(server)
    server.pass_time(1)

    reply, _, rest = (
        bytes(client.received).partition(b" ready")[2].partition(b"\n")[2].partition(b"\n")
    )
    assert reply.startswith(b"OK offset=0 length=1000000")
    assert rest[:1_000_000] == b"x" * 1_000_000
    assert rest[1_000_000:].startswith(b"OK sent=1000000")
    assert rest.endswith(BYE)


def test_between_an_upload_and_its_commit_there_is_time(server: Server) -> None:
    client = begun(server, b"UPLOAD f 3 commit=ask\nabc")
    drained = drain(server)
    server.pass_time(5)
    assert client.new() == b""
    said = client.says(b"COMMIT f blake3-4m=" + digest(b"abc").encode() + b"\n")
    server.pass_time(1)

    assert said.startswith(b"OK stored=f size=3")
    assert (server.root / "f").read_bytes() == b"abc"
    assert client.new() == BYE
    client.half_close()
    server.settle()
    assert drained.called


@pytest.mark.parametrize("line", [b"STAT f\n", b"UPLOAD f 3\n", b"NO\n", b"DOWNLOAD x\n"])
def test_but_only_for_the_commit(server: Server, line: bytes) -> None:
    client = begun(server, b"UPLOAD f 3 commit=ask\nabc")
    drain(server)

    assert client.says(line) == BYE.replace(b"\r\n", b"\n")
    assert client.end_seen


def test_a_commit_of_the_past_keeps_nobody(server: Server) -> None:
    client = begun(server, b"UPLOAD f 3 commit=ask\nabc")
    client.says(b"COMMIT f blake3-4m=" + digest(b"abc").encode() + b"\n")
    gone = begun(server, b"UPLOAD g 3 commit=ask\nabc")
    gone.reset()
    drain(server)

    assert client.new() == BYE


def test_what_is_left_in_the_end_can_be_gone_on_with(server: Server) -> None:
    client = begun(server, b"UPLOAD f 6\nabc")
    drained = drain(server)
    server.pass_time(10)
    drained.addErrback(lambda _: None)
    drained.cancel()
    ended = Deferred.fromCoroutine(server.factory.end_all(Ending.SERVER_STOPPED, 2.0))
    server.pass_time(3)

    assert client.new() == BYE
    assert ended.called
    assert (server.shelves.draining.finished, server.shelves.draining.broken) == (0, 1)
    server.shelves.draining.on = False
    [line] = server.connect().asks(b"UPLOAD f 6")
    assert line.startswith("OK offset=3 length=3 last=server-stopped")
