"""What can be asked over one connection, each as one conversation."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import CancelledError

from filesrv.client.answers import Entry, FetchHead
from filesrv.client.connection import Connection
from filesrv.transfer.send import FileShrank
from filesrv.wire.errors import BadOffset, Changed, NotFound, TakenOver
from filesrv.wire.replies import MalformedReply
from tests.client.network import MIB, Network
from tests.client.test_protocol import Wire, result_of, start


@pytest.fixture
def connection(network: Network) -> Connection:
    return network.run(network._connect())


class Collected:
    """A sink, and what came before it."""

    def __init__(self) -> None:
        self.head: FetchHead | None = None
        self.data = bytearray()
        self.positions: list[int] = []

    def begin(self, head: FetchHead) -> Collected:
        self.head = head
        return self

    def write(self, data: bytes | memoryview) -> None:
        self.data += data


@pytest.fixture
def source(tmp_path: Path) -> Generator[int]:
    path = tmp_path / "source"
    path.write_bytes(b"0123456789")
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def test_names_in_any_script_and_quoting_come_back_as_they_were(
    network: Network, connection: Connection
) -> None:
    names = ["plain", "with blank", 'quo"te', "back\\slash", "日本語", "a=b", "-dash", "'"]
    for name in names:
        network.server.put(name, name.encode())

    entries = network.run(connection.list())

    assert sorted(entry.name for entry in entries) == sorted(names)
    for name in names:
        fetched = Collected()
        network.run(connection.download(name, fetched.begin))
        assert fetched.data == name.encode()
        assert network.run(connection.stat(name)).size == len(name.encode())
        network.run(connection.rename(name, f"{name} 2"))
        network.run(connection.delete(f"{name} 2"))
    assert network.run(connection.list()) == []


def test_directories_are_listed_as_such(network: Network, connection: Connection) -> None:
    network.server.put("d/e/f", b"x")

    entries = network.run(connection.list("d"))

    assert [(entry.name, entry.size) for entry in entries] == [("d/e/", None)]
    assert entries[0].is_directory


def test_echo_comes_back_byte_for_byte(network: Network, connection: Connection) -> None:
    assert network.run(connection.echo(b"  a \t  b ")) == b"  a \t  b "


def test_the_servers_time_and_help_are_text(network: Network, connection: Connection) -> None:
    assert "T" in network.run(connection.time())
    assert any(line.startswith("UPLOAD") for line in network.run(connection.help()))
    assert len(network.run(connection.help("echo"))) == 1


@pytest.mark.parametrize("algorithm", ["sha256", "blake3", "blake3-4m"])
def test_the_server_computes_digests(
    network: Network, connection: Connection, algorithm: str
) -> None:
    network.server.put("f", b"abc")

    found = network.run(connection.hash("f", algorithm))

    assert found.size == 3
    assert len(found.digest) == 64
    if algorithm == "sha256":
        assert found.digest == hashlib.sha256(b"abc").hexdigest()


def test_what_is_unfinished_is_listed_and_can_be_discarded(
    network: Network, connection: Connection, source: int
) -> None:
    name = "un finished"
    network.reactor.settle()
    network.cuts_up = [network.up + len(b'UPLOAD "un finished" 10\n') + 4]
    with pytest.raises(Exception, match="reset"):
        network.run(connection.upload(name, source, 10))
    again = network.run(network._connect())
    (before,) = network.run(again.pending())
    stored = network.run(again.stat(name)).stored

    network.run(again.discard(name))

    assert (before.direction, before.name, before.size) == ("upload", name, 10)
    assert before.offset == stored == 4
    assert before.last == "reset"
    assert network.run(again.pending()) == []


def test_an_upload_tells_where_it_goes_on_and_every_advance(
    network: Network, connection: Connection, source: int
) -> None:
    positions: list[int] = []

    stored = network.run(connection.upload("f", source, 10, moved=positions.append))

    assert (stored.name, stored.size, stored.moved) == ("f", 10, 10)
    assert positions[0] == 0
    assert positions[-1] == 10
    assert network.server.files() == {"f": b"0123456789"}


def test_a_file_that_ends_too_early_is_never_stored(
    network: Network, connection: Connection, source: int
) -> None:
    with pytest.raises(FileShrank):
        network.run(connection.upload("f", source, 11))

    network.reactor.settle()
    assert network.server.files() == {}
    assert not connection.usable


def test_a_download_goes_on_from_an_offset_of_the_same_version_only(
    network: Network, connection: Connection
) -> None:
    network.server.put("f", b"0123456789")
    version = network.run(connection.stat("f")).version
    fetched = Collected()

    network.run(connection.download("f", fetched.begin, offset=4, version=version))
    with pytest.raises(Changed):
        network.run(connection.download("f", fetched.begin, offset=4, version="other"))
    with pytest.raises(BadOffset) as caught:
        network.run(connection.download("f", fetched.begin, offset=11))

    assert fetched.data == b"456789"
    assert fetched.head is not None
    assert (fetched.head.offset, fetched.head.length, fetched.head.size) == (4, 6, 10)
    assert caught.value.fields == {"size": "10"}
    assert connection.usable


def test_a_refusal_leaves_the_connection_for_the_next_question(
    network: Network, connection: Connection
) -> None:
    with pytest.raises(NotFound):
        network.run(connection.stat("f"))

    assert network.run(connection.echo(b"x")) == b"x"


def test_several_transfers_at_once_do_not_mix(
    network: Network, connection: Connection, source: int
) -> None:
    network.server.put("big", bytes(3 * MIB))
    fetched = Collected()
    work = [
        network.begin(connection.download("big", fetched.begin)),
        network.begin(connection.upload("f", source, 10)),
        network.begin(connection.upload_small("g", b"small")),
        network.begin(connection.upload("h", source, 10)),
        network.begin(connection.echo(b"x")),
    ]
    for each in work:
        network.finish(each)  # type: ignore[arg-type]

    assert fetched.data == bytes(3 * MIB)
    assert network.server.files() == {
        "big": bytes(3 * MIB),
        "f": b"0123456789",
        "g": b"small",
        "h": b"0123456789",
    }


# What a server may not do, by a scripted one.


@pytest.mark.parametrize(
    "answer",
    [
        b"OK offset=5 length=6\n",
        b"OK offset=11 length=0\n",
        b"OK offset=x length=10\n",
        b"OK length=10\n",
        b"OK offset=-1 length=11\n",
    ],
)
def test_a_server_that_wants_other_bytes_is_not_believed(source: int, answer: bytes) -> None:
    wire = Wire()
    done = start(Connection(wire.protocol).upload("f", source, 10))

    wire.say(answer)

    with pytest.raises(MalformedReply):
        result_of(done)


@pytest.mark.parametrize(
    "answer",
    [
        b"OK offset=0 length=6 size=10 version=v\n",
        b"OK offset=4 length=7 size=10 version=v\n",
        b"OK offset=4 length=6 version=v\n",
        b"OK offset=4 length=6 size=10 version=v modified=yesterday\n",
    ],
)
def test_a_server_that_announces_other_bytes_is_not_believed(answer: bytes) -> None:
    wire = Wire()
    fetched = Collected()
    done = start(Connection(wire.protocol).download("f", fetched.begin, offset=4, version="v"))

    wire.say(answer)

    with pytest.raises(MalformedReply):
        result_of(done)
    assert fetched.head is None


def test_an_upload_that_is_refused_half_way_is_not_sent_to_its_end(source: int) -> None:
    os.truncate(f"/proc/self/fd/{source}", MIB)
    wire = Wire()
    done = start(Connection(wire.protocol).upload("f", source, MIB))

    wire.say(b"OK offset=0 length=%d\nERR TAKEN_OVER\n" % MIB)
    wire.clock.pump([0.1] * 20)

    with pytest.raises(TakenOver):
        result_of(done)
    assert wire.transport.aborted
    assert len(wire.transport.value()) < MIB / 2


def test_who_is_cancelled_ends_although_a_part_had_been_refused() -> None:
    wire = Wire()
    done = start(Connection(wire.protocol).upload_small("f", b"data", digest="d" * 64))

    wire.say(b"ERR BAD_CHECKSUM\n")
    done.cancel()

    with pytest.raises(CancelledError):
        result_of(done)


def test_an_upload_that_is_taken_for_done_too_early_is_not_believed(source: int) -> None:
    os.truncate(f"/proc/self/fd/{source}", MIB)
    wire = Wire()
    done = start(Connection(wire.protocol).upload("f", source, MIB))

    wire.say(b"OK offset=0 length=%d\nOK stored=f\n" % MIB)

    with pytest.raises(MalformedReply):
        result_of(done)


@pytest.mark.parametrize(
    "line",
    [
        b"3 2026-11-20T10:00:00Z ../etc/passwd",
        b"3 2026-11-20T10:00:00Z /etc/passwd",
        b"3 2026-11-20T10:00:00Z a//b",
        b'3 2026-11-20T10:00:00Z "a\x1b[31m"',
        b"3 2026-11-20T10:00:00Z d/",
        b"- 2026-11-20T10:00:00Z d",
        b"3 yesterday f",
        b"x 2026-11-20T10:00:00Z f",
        b"3 2026-11-20T10:00:00Z",
        b'3 2026-11-20T10:00:00Z "f',
        b"",
    ],
)
def test_a_list_with_what_is_no_file_is_not_believed(line: bytes) -> None:
    wire = Wire()
    done = start(Connection(wire.protocol).list())

    wire.say(b"OK lines=1\n" + line + b"\n")

    with pytest.raises(MalformedReply):
        result_of(done)


def test_fields_and_words_of_a_newer_server_do_no_harm() -> None:
    wire = Wire()
    connection = Connection(wire.protocol)
    status: Any = start(connection.stat("f"))
    entries: Any = start(connection.list())
    pending: Any = start(connection.pending())

    wire.say(
        b"OK new=1 size=3 modified=1970-01-01T00:00:01Z version=v and words\n"
        b"OK lines=1 more=no\n3 1970-01-01T00:00:01Z f new=1\n"
        b"OK lines=1\nupload 1 3 2026-11-20T10:00:00Z f last=closed new=2\n"
    )

    assert result_of(status).modified == 1_000_000_000
    assert result_of(entries) == [Entry("f", 3, 1_000_000_000)]
    assert result_of(pending)[0].last == "closed"
