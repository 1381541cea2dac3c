"""Transfers that are more at once than there may be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from filesrv.server.limits import Limits
from tests.support.memory import Client, Server

OF_CLIENT = "ERR TOO_MANY_CONNECTIONS limit=2 you have as many transfers as you may"
OF_ALL = "ERR TOO_MANY_CONNECTIONS limit=2 the server has all the transfers that it takes"

Make = Callable[[Limits], Server]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Server] = []

    def server(limits: Limits) -> Server:
        made.append(Server(tmp_path / "root", limits=limits))
        made[-1].put("large", bytes(10_000_000))
        return made[-1]

    yield server
    for each in made:
        each.close()


def uploading(server: Server, name: str, host: str = "192.0.2.1") -> Client:
    client = server.connect(host)
    assert client.asks(f"UPLOAD {name} 5".encode()) == ["OK offset=0 length=5"]
    return client


def downloading(server: Server) -> Client:
    client = server.connect()
    client.takes = 0
    client.says(b"DOWNLOAD large\n")
    return client


def test_a_client_has_so_many_transfers_at_once_of_both_directions(make: Make) -> None:
    server = make(Limits(transfers_per_client=2))
    first, _ = uploading(server, "a"), downloading(server)

    for line in (b"UPLOAD c 5", b"DOWNLOAD large"):
        refused = server.connect()
        assert (refused.asks(line), refused.end_seen) == ([OF_CLIENT], True)
    uploading(server, "c", "192.0.2.2")
    assert first.says(b"hello").startswith(b"OK stored=a ")
    uploading(server, "d")


def test_all_clients_have_so_many_together(make: Make) -> None:
    server = make(Limits(transfers=2))
    uploading(server, "a", "192.0.2.1")
    uploading(server, "b", "192.0.2.2").reset()
    uploading(server, "c", "192.0.2.3")

    assert server.connect("192.0.2.4").asks(b"UPLOAD d 5") == [OF_ALL]


def test_the_payload_of_a_refused_upload_is_no_command(make: Make) -> None:
    server = make(Limits(transfers=0))
    client = server.connect()

    assert len(client.says(b"UPLOAD a 12 0\nDELETE large\nECHO b\n").splitlines()) == 1
    assert set(server.files()) == {"large"}


def test_who_goes_on_with_its_own_transfer_takes_no_other_place(make: Make) -> None:
    server = make(Limits(transfers_per_client=1))
    before = uploading(server, "a")
    before.says(b"hel")

    client = server.connect()
    assert client.asks(b"UPLOAD a 5")[0].startswith("OK offset=3 length=2")
    assert client.says(b"lo").startswith(b"OK stored=a ")
    assert b"ERR TAKEN_OVER" in before.received


def test_whatever_way_a_transfer_ends_its_place_is_free(make: Make) -> None:
    server = make(Limits(transfers_per_client=1))
    client = server.connect()
    for _ in range(3):
        assert b"OK stored=a " in client.says(b"UPLOAD a 5 0\nhello")
        assert client.asks(b"DOWNLOAD a 9") == ["ERR BAD_OFFSET size=5 the file has 5 bytes"]
        assert b"OK sent=5 " in client.says(b"DOWNLOAD a\n")
        client.asks(b"UPLOAD b 5 5")
        uploading(server, "b").reset()
        downloading(server).reset()
        assert b" received=2 " in client.says(b"UPLOAD c 2 0 commit=ask\nab")
        assert client.asks(b"COMMIT c blake3-4m=" + b"0" * 64)[0].startswith("ERR BAD_CHECKSUM")


@pytest.mark.parametrize("line", [b"HASH large", b"SUMS large"])
def test_a_file_that_is_read_for_its_digest_counts_as_long_as_that_takes(
    make: Make, line: bytes
) -> None:
    """Each holds a descriptor: hundreds at once would leave none for anybody else."""
    server = make(Limits(transfers=2))
    uploading(server, "a")
    reading, refused = server.connect(), server.connect("192.0.2.2")
    reading.send(line + b"\n")
    refused.send(line + b"\n")
    server.reactor.ticks = 0.003
    server.settle()
    server.reactor.ticks = 0.0

    assert reading.new().startswith(b"OK ")
    assert (refused.new().decode().splitlines(), refused.end_seen) == ([OF_ALL], True)
    assert server.connect("192.0.2.2").asks(line)[0].startswith("OK ")
