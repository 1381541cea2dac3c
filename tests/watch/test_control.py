"""The socket's end in the daemon: who is answered, and what is no question."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.testing import StringTransport

from filesrv.watch import control
from filesrv.watch.answers import REQUESTS, Desk
from filesrv.watch.control import Conversation
from filesrv.watch.ledger import Ledger
from tests.support.logs import Log
from tests.support.memory import Server


class Asked:
    """A conversation with somebody of a user id."""

    def __init__(self, server: Server, uid: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(control, "peer_user", lambda sock: uid)
        ledger = Ledger(server.shelves.events, server.reactor)
        desk = Desk(server.shelves, ledger, list, "/srv/files", 0.0)
        self.server = server
        self.transport = StringTransport()
        self.conversation = Conversation(desk)
        self.conversation.makeConnection(self.transport)

    def says(self, *lines: bytes) -> list[Any]:
        self.conversation.dataReceived(b"".join(line + b"\n" for line in lines))
        self.server.settle()
        return [json.loads(line) for line in self.transport.value().splitlines()]


@pytest.mark.parametrize("uid", [None, 12345])
def test_nobody_else_is_answered(
    server: Server, monkeypatch: pytest.MonkeyPatch, uid: int | None
) -> None:
    asked = Asked(server, uid, monkeypatch)

    assert asked.says(b'{"ask": "status"}') == [
        {"error": "only the daemon's own user and root may ask"}
    ]
    assert asked.transport.disconnecting


@pytest.mark.parametrize("uid", [0, os.geteuid()])
def test_questions_are_answered_in_their_order(
    server: Server, monkeypatch: pytest.MonkeyPatch, uid: int
) -> None:
    asked = Asked(server, uid, monkeypatch)

    found = asked.says(b'{"ask": "clients"}', b'{"ask": "status"}', b'{"ask": "transfers"}')

    assert [next(iter(one)) for one in found] == ["answer"] * 3
    assert ["clients" in one["answer"] for one in found] == [True, False, False]
    assert "version" in found[1]["answer"]


@pytest.mark.parametrize("line", [b"nonsense", b"[]", b"{}", b"\xff", b'{"ask": ["status"]}'])
def test_what_is_no_question_is_said(
    server: Server, monkeypatch: pytest.MonkeyPatch, line: bytes
) -> None:
    asked = Asked(server, 0, monkeypatch)

    (said,) = asked.says(line)

    assert said == {"error": "this daemon does not know that request"}


def test_a_fault_is_logged_and_the_next_question_answered(
    server: Server, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    asked = Asked(server, 0, monkeypatch)

    async def fail(desk: object, asked: object) -> dict[str, object]:
        raise RuntimeError("of ours")

    monkeypatch.setitem(REQUESTS, "clients", fail)
    first, second = asked.says(b'{"ask": "clients"}', b'{"ask": "status"}')

    assert "a fault of the daemon" in first["error"]
    assert "answer" in second
    assert any("of ours" in line for line in log.lines)


def test_a_registry_that_fails_is_said(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = Asked(server, 0, monkeypatch)
    server.shelves.registry.close()

    (said,) = asked.says(b'{"ask": "transfers"}')

    assert "error" in said
