"""What those who look on are told."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from filesrv.server import events
from filesrv.store.registry import Direction
from filesrv.transfer.digest import BlockDigests
from filesrv.wire.endings import Ending
from tests.support.logs import Log
from tests.support.memory import Client, Server

KINDS = [getattr(events, name) for name in events.__all__ if name not in ("Events", "Who")]

TOKEN = "0123456789abcdef"


@pytest.fixture
def told(server: Server) -> list[Any]:
    """Every event, in the order of its coming."""
    found: list[Any] = []
    for kind in KINDS:
        server.shelves.events.subscribe(kind, found.append)
    return found


def kinds(told: list[Any]) -> list[str]:
    return [type(event).__name__ for event in told]


def cut(server: Server, line: bytes, data: bytes = b"") -> Client:
    """A client whose connection broke within a transfer."""
    client = server.connect()
    client.says(line, data)
    client.reset()
    server.settle()
    return client


def test_an_upload_is_told_of_from_its_beginning_to_its_name(
    server: Server, told: list[Any]
) -> None:
    client = server.connect()

    client.says(b"HELLO " + TOKEN.encode() + b"\nUPLOAD f 5\n", b"hel")
    began = told[-1]
    moved = began.moved()
    server.pass_time(2)
    client.says(b"lo")

    assert kinds(told) == ["Connected", "Began", "Storing", "Stored", "Ended"]
    assert (began.direction, began.name, began.size) == (Direction.UPLOAD, "f", 5)
    assert (began.offset, began.length, began.again, moved) == (0, 5, 0, 3)
    stored, ended = told[-2:]
    digests = BlockDigests()
    digests.update(b"hello")
    assert (stored.name, stored.size) == ("f", 5)
    assert stored.digest == digests.hexdigest()
    assert stored.inode == (server.root / "f").stat().st_ino
    assert (ended.moved, round(ended.seconds), ended.ending) == (5, 2, None)
    assert (ended.who.client, ended.who.user, ended.who.number) == (TOKEN, None, 1)


def test_a_break_and_what_is_sent_again_are_told(server: Server, told: list[Any]) -> None:
    cut(server, b"UPLOAD f 5\n", b"hell")
    assert kinds(told) == ["Connected", "Began", "Ended", "Left"]
    assert (told[2].moved, told[2].ending, told[3].ending) == (4, Ending.RESET, Ending.RESET)

    server.connect().says(b"UPLOAD f 5 1\n", b"ello")

    began = told[5]
    assert (began.who.number, began.offset, began.length, began.again) == (2, 1, 4, 3)
    assert server.files() == {"f": b"hello"}


def test_a_taken_over_transfer_and_each_refusal_are_told(server: Server, told: list[Any]) -> None:
    server.connect().says(b"UPLOAD f 5\n", b"hel")
    told.clear()

    server.connect().says(b"UPLOAD f 5\n", b"lo")
    server.connect().says(b"NONSENSE\nDOWNLOAD missing\n")

    refused = [event.error.code for event in told if isinstance(event, events.Refused)]
    assert refused == ["TAKEN_OVER", "UNKNOWN_COMMAND", "NOT_FOUND"]
    taken = [event for event in told if isinstance(event, events.TakenOver)]
    assert [event.who.number for event in taken] == [1]
    assert told.index(taken[0]) < kinds(told).index("Began")


def test_a_file_that_cannot_have_its_name_was_not_stored(server: Server, told: list[Any]) -> None:
    client = server.connect()
    client.says(b"UPLOAD f 5 if-absent=yes\n", b"hel")
    server.put("f", b"first")

    client.says(b"lo")

    assert kinds(told)[-3:] == ["Storing", "Ended", "Refused"]
    assert told[-2].ending is Ending.REFUSED


def test_a_file_that_was_committed_was_stored_once(server: Server, told: list[Any]) -> None:
    digests = BlockDigests()
    digests.update(b"hello")
    digest = digests.hexdigest().encode()

    client = server.connect()
    client.says(b"UPLOAD f 5 commit=ask\nhello")
    assert "Storing" not in kinds(told)
    client.says(b"COMMIT f blake3-4m=" + digest + b"\n")

    assert kinds(told)[-2:] == ["Storing", "Stored"]
    assert told[-1].id == told[-2].id


def test_a_download_tells_how_far_it_is(server: Server, told: list[Any]) -> None:
    server.put("f", b"0123456789")

    server.connect().says(b"DOWNLOAD f 4\n")

    began, ended = told[1:3]
    assert (began.direction, began.size, began.offset) == (Direction.DOWNLOAD, 10, 4)
    assert (began.length, ended.moved, ended.ending) == (6, 6, None)


def test_small_verbs_are_told_to_nobody(server: Server, told: list[Any]) -> None:
    client = server.connect()
    told.clear()

    client.says(b"ECHO hello\nTIME\nLIST\nPENDING\nHELP\n")

    assert told == []


def test_who_looks_on_and_fails_breaks_no_transfer(server: Server, log: Log) -> None:
    def fail(event: object) -> None:
        raise RuntimeError("the one who looks on")

    told: Deferred[events.Ended] = Deferred()
    server.shelves.events.subscribe(events.Ended, fail)
    server.shelves.events.subscribe(events.Ended, told.callback)
    log.faults_expected = 1

    assert server.connect().asks(b"UPLOAD f 0 0")[-1].startswith("OK stored=f ")
    assert told.called


def test_a_user_is_told_by_name() -> None:
    assert events.Who(1, "user:ann", "192.0.2.1(4)").user == "ann"
    assert events.Who(1, "0123456789abcdef", "192.0.2.1(4)").user is None
