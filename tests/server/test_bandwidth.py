"""Transfers that may not be as fast as they could."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from filesrv.server.limits import Limits
from tests.support.memory import Client, Server

RATE = 100_000
SIZE = 1_000_000

Make = Callable[..., Server]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Server] = []

    def server(**limits: float) -> Server:
        made.append(Server(tmp_path / "root", limits=Limits(**limits)))
        made[-1].put("large", bytes(SIZE))
        return made[-1]

    yield server
    for each in made:
        each.close()


def pass_time(server: Server, seconds: float) -> None:
    """In steps as small as a reactor's: what is due is done when it is."""
    for _ in range(round(seconds * 50)):
        server.pass_time(0.02)


def downloading(server: Server, host: str = "192.0.2.1") -> Client:
    client = server.connect(host)
    client.send(b"DOWNLOAD large\n")
    return client


def uploading(server: Server, name: str) -> Client:
    client = server.connect()
    client.send(b"UPLOAD %s %d 0\n" % (name.encode(), SIZE))
    client.send(*[bytes(10_000)] * (SIZE // 10_000))
    return client


def arrived(client: Client) -> int:
    return SIZE - sum(map(len, client.on_its_way))


def test_downloads_share_the_rate_of_all(make: Make) -> None:
    server = make(rate=RATE)
    clients = [downloading(server, f"192.0.2.{number}") for number in range(4)]
    pass_time(server, 10)

    for client in clients:
        assert len(client.received) == pytest.approx(10 * RATE / 4, rel=0.1)


def test_uploads_share_it_too_and_have_nothing_to_do_with_downloads(make: Make) -> None:
    server = make(rate=RATE)
    up, down = [uploading(server, "a"), uploading(server, "b")], downloading(server)
    pass_time(server, 8)

    for client in up:
        assert arrived(client) == pytest.approx(4 * RATE, rel=0.15)
    assert len(down.received) == pytest.approx(8 * RATE, rel=0.1)


def test_each_has_its_own_bound(make: Make) -> None:
    server = make(rate_per_connection=RATE)
    up, down = [uploading(server, "a"), uploading(server, "b")], downloading(server)
    pass_time(server, 5)

    for client in up:
        assert arrived(client) == pytest.approx(5 * RATE, rel=0.15)
    assert len(down.received) == pytest.approx(5 * RATE, rel=0.1)


def test_all_of_it_arrives_in_the_end_and_the_next_command_is_answered(make: Make) -> None:
    server = make(rate_per_connection=RATE)
    client = uploading(server, "a")
    client.send(b"DOWNLOAD a\nECHO done\n")
    pass_time(server, 25)

    assert server.files()["a"] == bytes(SIZE)
    assert b"OK stored=a " in client.received
    assert client.received.endswith(b"done\n")


def test_small_files_one_after_the_other_are_no_way_around_it(make: Make) -> None:
    server = make(rate_per_connection=RATE)
    server.put("small", bytes(2000))
    down, up = server.connect("192.0.2.1"), server.connect("192.0.2.2")
    down.send(b"DOWNLOAD small\n" * 500)
    up.send(*[b"UPLOAD small-%d 2000 0\n%b" % (n, bytes(2000)) for n in range(500)])
    pass_time(server, 5)

    assert down.received.count(b"OK sent=") * 2000 == pytest.approx(5 * RATE, rel=0.1)
    assert up.received.count(b"OK stored=") * 2000 == pytest.approx(5 * RATE, rel=0.15)


def test_a_client_that_leaves_while_it_waits_leaves_nothing(make: Make) -> None:
    server = make(rate=1000)
    for client in (uploading(server, "a"), downloading(server)):
        server.settle()
        client.reset()
    server.pass_time(700)

    assert (server.factory.up.flows, server.factory.down.flows) == (0, 0)
    assert server.reactor.getDelayedCalls() == []


class TestLeastRate:
    def test_a_trickle_does_not_hold_its_place_for_ever(self, make: Make) -> None:
        server = make(min_rate=100)
        client = server.connect()
        client.says(b"UPLOAD slow 1000000\n")
        for _ in range(140):
            client.send(bytes(50))
            server.pass_time(1)

        said = (
            b"ERR STALLED limit=100 less than 100 bytes a second; go on from where it stopped\r\n"
        )
        assert (bytes(client.received).endswith(said), client.end_seen) == (True, True)
        assert server.connect().asks(b"UPLOAD slow 1000000")[0].startswith("OK offset=")

    def test_what_is_fast_enough_goes_on(self, make: Make) -> None:
        server = make(min_rate=100)
        client = server.connect()
        client.says(b"UPLOAD slow 100000\n")
        for _ in range(300):
            client.send(bytes(150))
            server.pass_time(1)
        client.says(bytes(100_000 - 300 * 150))

        assert b"OK stored=slow " in client.received

    def test_many_small_ones_are_not_taken_for_a_slow_one(self, make: Make) -> None:
        server = make(min_rate=100)
        client = server.connect()
        for number in range(200):
            client.says(b"UPLOAD f%d 5\n" % number)
            server.pass_time(1)
            client.says(b"hello")
        assert client.received.count(b"OK stored=") == 200


def test_of_a_download_that_waits_nothing_is_remembered_as_delivered(make: Make) -> None:
    server = make(rate=RATE)
    server.put("small", bytes(1000))
    client = server.connect()
    client.send(b"DOWNLOAD small\n")
    pass_time(server, 1)
    assert b"OK sent=1000" in client.new()
    downloading(server, "192.0.2.2")
    server.settle()

    assert b"OK offset=0" in client.says(b"DOWNLOAD large\n")
    server.shelves.record()

    [pending] = server.connect().asks(b"PENDING")[1:]
    assert pending.startswith(f"download 0 {SIZE} ")


def test_what_came_before_a_wait_is_written_before_what_comes_after_it(make: Make) -> None:
    server = make(rate=RATE)
    other, client = server.connect(), server.connect()
    content = bytes(number % 251 for number in range(50_000))
    other.send(b"UPLOAD a 50000 0\n" + bytes(50_000))
    server.reactor.turn()
    # That debt is waited for with part of this one at hand.
    client.send(b"UPLOAD b 50000 0\n" + content[:1000])
    server.reactor.turn()
    client.send(content[1000:30_000], content[30_000:])
    pass_time(server, 3)

    assert client.received.count(b"OK stored=") == 1
    assert server.files()["b"] == content
