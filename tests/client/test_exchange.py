"""What is said of small files, with a scripted server that cuts it up as it likes."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from filesrv.client.answers import FetchHead
from filesrv.client.connection import Connection
from filesrv.client.errors import ConnectionEnded
from filesrv.wire.endings import Ending
from filesrv.wire.errors import (
    BadChecksum,
    Denied,
    Exists,
    FilesrvError,
    Idle,
    NotFound,
    TakenOver,
)
from filesrv.wire.replies import MalformedReply
from tests.client.test_protocol import SIZES, Wire, result_of, start

DIGEST = "d" * 64


class Taken:
    """What came of a small download."""

    def __init__(self, wire: Wire, name: str = "f") -> None:
        self.data = b""
        self.positions: list[int] = []
        fetch = Connection(wire.protocol).download_small(name, self._begin, self.positions.append)
        self.done = start(fetch)

    def _begin(self, head: FetchHead) -> Taken:
        return self

    def write(self, data: bytes | memoryview) -> None:
        self.data += data


def small_upload(wire: Wire, digest: str | None = DIGEST) -> Deferred[Any]:
    return start(Connection(wire.protocol).upload_small("f", b"data", digest=digest))


@pytest.mark.parametrize("size", SIZES)
def test_small_files_and_questions_are_each_given_their_answers_in_any_cut(size: int) -> None:
    wire = Wire()
    stored, listed = small_upload(wire), wire.ask_lines(b"LIST")
    first, empty, missing = Taken(wire, "a"), Taken(wire, "b"), Taken(wire, "c")
    status, (ordinary, came) = wire.ask(b"STAT f"), wire.fetch(3)
    plain, last = small_upload(wire, None), Taken(wire, "d")

    wire.say(
        b"OK offset=0 length=4\r\nOK received=4 seconds=0\r\nOK stored=f size=4\r\n"
        b"OK lines=2\none\ntwo\n"
        b"OK offset=0 length=9 size=9 version=v\nOK\n\r\nERR\rOK sent=9 seconds=0\n"
        b"OK offset=0 length=0 size=0 version=v\nOK sent=0 seconds=0\n"
        b"ERR NOT_FOUND there is no file c\n"
        b"OK size=4\n"
        b"OK length=3\nraw"
        b"OK sent=3\n"
        b"OK offset=0 length=4\nOK stored=f size=4\n"
        b"OK offset=0 length=2 size=2 version=v\n\n\nOK sent=2 seconds=0\n",
        size,
    )

    assert result_of(stored).size == 4
    assert result_of(listed) == [b"one", b"two"]
    result_of(first.done)
    assert first.data == b"OK\n\r\nERR\r"
    assert (first.positions[0], first.positions[-1]) == (0, 9)
    result_of(empty.done)
    assert (empty.data, empty.positions) == (b"", [0])
    with pytest.raises(NotFound, match="no file c"):
        result_of(missing.done)
    assert result_of(status).fields == {"size": "4"}
    assert result_of(ordinary).fields == {"sent": "3"}
    assert came == b"raw"
    assert result_of(plain).size == 4
    result_of(last.done)
    assert last.data == b"\n\n"
    assert not wire.transport.aborted


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"OK\n",
        b"OK offset=1 length=3 size=4 version=v\n",
        b"OK offset=0 length=3 size=4 version=v\n",
        b"OK offset=0 length=-1 size=-1 version=v\n",
        b"OK offset=0 length=4 size=4 modified=soon\n",
        b"OK offset=0 length=4 size=4 version=v\ndataOK sent=3 seconds=0\n",
        b"OK offset=0 length=4 size=4 version=v\ndatamore\n",
        b"OK offset=0 length=4 size=4 version=v\ndata\n",
        b"x" * 20_000,
    ],
)
def test_a_server_that_brings_something_else_is_not_believed(said: bytes, size: int) -> None:
    wire = Wire()
    taken, next_one = Taken(wire), wire.ask(b"STAT f")

    wire.say(said + b"OK size=1\n", size)

    with pytest.raises(MalformedReply):
        result_of(taken.done)
    with pytest.raises(ConnectionEnded):
        result_of(next_one)
    assert wire.transport.aborted


@pytest.mark.parametrize(
    "said",
    [
        b"OK offset=0 length=5\n",
        b"OK stored=f\n",
        b"OK offset=0 length=4\nyes\n",
        b"OK offset=0 length=4\nOK received=4\n\n",
    ],
)
def test_a_server_that_takes_something_else_is_not_believed(said: bytes) -> None:
    wire = Wire()
    done = small_upload(wire)

    wire.say(said)

    with pytest.raises(MalformedReply):
        result_of(done)
    assert wire.transport.aborted


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"ERR EXISTS\nERR NOT_FOUND\n", Exists),
        (b"OK offset=0 length=4\nERR DENIED\nERR NOT_FOUND\n", Denied),
        (b"OK offset=0 length=4\nOK received=4\nERR BAD_CHECKSUM\n", BadChecksum),
    ],
)
def test_why_a_file_is_not_stored_the_first_refusal_says(
    said: bytes, why: type[FilesrvError]
) -> None:
    wire = Wire()
    done, status = small_upload(wire), wire.ask(b"STAT f")

    wire.say(said + b"OK size=1\n")

    with pytest.raises(why):
        result_of(done)
    assert result_of(status).fields == {"size": "1"}


@pytest.mark.parametrize(
    ("code", "why"), [(b"TAKEN_OVER", TakenOver), (b"IDLE", Idle), (b"DENIED", Denied)]
)
def test_a_refusal_is_told_although_the_connection_ends_behind_it(
    code: bytes, why: type[FilesrvError]
) -> None:
    wire = Wire()
    refused, behind = small_upload(wire), small_upload(wire)

    wire.say(b"ERR " + code + b"\n")
    wire.lose()

    with pytest.raises(why):
        result_of(refused)
    with pytest.raises(ConnectionEnded):
        result_of(behind)


def test_what_came_before_a_connection_ended_has_come() -> None:
    wire = Wire()
    taken, behind = Taken(wire), Taken(wire)

    wire.say(b"OK offset=0 length=4 size=4 version=v\nda")
    wire.lose()

    assert taken.data == b"da"
    for done in (taken.done, behind.done):
        with pytest.raises(ConnectionEnded) as raised:
            result_of(done)
        assert raised.value.ending is Ending.RESET


def test_a_sink_that_fails_ends_the_connection_with_its_own_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(sink: Taken, data: bytes) -> None:
        raise OSError("full")

    monkeypatch.setattr(Taken, "write", fail)
    wire = Wire()
    taken = Taken(wire)

    wire.say(b"OK offset=0 length=4 size=4 version=v\ndataOK sent=4 seconds=0\n")

    with pytest.raises(OSError, match="full"):
        result_of(taken.done)
    assert wire.transport.aborted


def test_a_server_has_as_long_as_it_likes_for_a_commit_and_for_nothing_else() -> None:
    wire = Wire()
    stored, behind = small_upload(wire), small_upload(wire)

    wire.say(b"OK offset=0 length=4\nOK received=4\n")
    wire.clock.pump([1.0] * 1000)
    assert not stored.called
    wire.say(b"OK stored=f size=4\n")
    result_of(stored)
    wire.clock.pump([1.0] * 310)

    with pytest.raises(ConnectionEnded) as raised:
        result_of(behind)
    assert raised.value.ending is Ending.STALLED
