"""What an administrator is told and may do, of a server in memory."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from filesrv.watch.answers import Desk, NotUnderstood, answer
from filesrv.watch.ledger import Ledger
from tests.support.memory import Client, Server

TOKEN = "0123456789abcdef"


class Asking:
    """An administrator at a server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        connected = server.factory.connections
        self.desk = Desk(
            server.shelves,
            Ledger(server.shelves.events, server.reactor),
            lambda: [protocol.session for protocol in connected],
            "/srv/files",
            server.reactor.seconds(),
        )

    def __call__(self, ask: str, **more: object) -> Any:
        found: list[Any] = []
        Deferred.fromCoroutine(answer(self.desk, {"ask": ask, **more})).addBoth(found.append)
        self.server.settle()
        (result,) = found
        if isinstance(result, dict):
            return result
        result.trap(NotUnderstood)
        return str(result.value)


@pytest.fixture
def asking(server: Server) -> Asking:
    return Asking(server)


def begin(server: Server, line: str, data: bytes = b"", hello: str = "") -> Client:
    client = server.connect()
    client.says(f"{hello}{line}\n".encode(), data)
    return client


def test_status_says_what_runs_and_how_fast(server: Server, asking: Asking) -> None:
    begin(server, "UPLOAD g 5", b"he").reset()
    client = begin(server, "UPLOAD f 5000")
    client.says(b"x" * 1000)
    server.pass_time(2)

    status = asking("status")

    (running,) = status["running"]
    assert (running["name"], running["position"], running["size"]) == ("f", 1000, 5000)
    assert (running["rate"], running["peer"]) == (500, "192.0.2.1(40001)")
    assert status["unfinished"]["uploads"] == 1
    assert status["unfinished"]["bytes"] == 2
    assert status["moved"] == {"upload": 1002, "download": 0}
    assert status["connections"] == 1


def test_no_answer_holds_the_token_of_a_client(server: Server, asking: Asking) -> None:
    begin(server, "UPLOAD f 5", b"he", f"HELLO {TOKEN}\n").reset()
    begin(server, "UPLOAD g 5", b"he", f"HELLO {TOKEN}\n")

    for ask in ("status", "transfers", "clients"):
        said = str(asking(ask))
        assert TOKEN not in said
        assert "0123…" in said or ask == "status"
    assert TOKEN not in asking("discard", client=TOKEN, name="none")


def test_transfers_are_those_that_run_and_those_that_wait(server: Server, asking: Asking) -> None:
    server.put("d", b"x" * 100)
    begin(server, "UPLOAD f 5", b"he").reset()
    begin(server, "UPLOAD g 500000", b"hel")

    found = asking("transfers")

    assert [one["name"] for one in found["running"]] == ["g"]
    (waiting,) = found["unfinished"]
    assert (waiting["name"], waiting["position"], waiting["size"]) == ("f", 2, 5)
    assert (waiting["client"], waiting["ended"]) == ("192.0.2.1", "reset")
    assert waiting["expires"] > waiting["touched"]


def test_clients_are_listed_with_what_went_over_their_connections(
    server: Server, asking: Asking
) -> None:
    client = begin(server, "UPLOAD f 5", b"hello")
    client.says(b"UPLOAD g 5\nhel")
    server.connect("2001:db8::7")

    found = asking("clients")["clients"]

    assert [one["connection"] for one in found] == [1, 2]
    assert (found[0]["moved"], found[0]["running"]) == (8, "g")
    assert found[1]["client"] == "2001:db8::7"


@pytest.mark.parametrize("target", ["1", "192.0.2.1"])
def test_whoever_is_kicked_can_go_on(server: Server, asking: Asking, target: str) -> None:
    client = begin(server, "UPLOAD f 5", b"hel")
    other = server.connect("192.0.2.2")

    assert asking("kick", target=target) == {"ended": 1}

    assert b"ERR SHUTTING_DOWN an administrator ended" in bytes(client.received)
    assert other.asks(b"ECHO still here") == ["still here"]
    again = server.connect()
    assert again.asks(b"UPLOAD f 5")[0].startswith("OK offset=3 length=2 last=kicked")


def test_a_user_is_kicked_wherever_connected(server: Server, asking: Asking) -> None:
    for number, protocol in enumerate([server.connect(), server.connect(), server.connect()]):
        assert protocol.asks(b"ECHO here") == ["here"]
        (session,) = (one for one in asking.desk.connections() if one.number == number + 1)
        if number:
            session.identify("user:ann")

    assert asking("kick", target="ann") == {"ended": 2}
    assert [one["connection"] for one in asking("clients")["clients"]] == [1]


def test_kicking_nobody_is_said(server: Server, asking: Asking) -> None:
    assert asking("kick", target="nobody") == "nobody is connected as nobody"


def test_an_upload_is_discarded_by_its_id(server: Server, asking: Asking) -> None:
    begin(server, "UPLOAD f 5", b"he", f"HELLO {TOKEN}\n").reset()
    (waiting,) = asking("transfers")["unfinished"]

    assert asking("discard", id=waiting["id"]) == {"name": "f", "client": "0123…"}

    assert server.held() == []
    assert asking("transfers")["unfinished"] == []
    assert "no unfinished transfer" in asking("discard", id=waiting["id"])


def test_an_upload_is_discarded_by_its_client_and_name(server: Server, asking: Asking) -> None:
    begin(server, "UPLOAD f 5", b"he").reset()
    begin(server, "UPLOAD g 5", b"he").reset()

    assert asking("discard", client="192.0.2.1", name="f")["name"] == "f"

    assert [one["name"] for one in asking("transfers")["unfinished"]] == ["g"]


def test_an_upload_that_runs_is_ended_and_discarded(server: Server, asking: Asking) -> None:
    client = begin(server, "UPLOAD f 500000", b"he")
    server.shelves.record()

    assert asking("discard", client="192.0.2.1", name="f")["name"] == "f"

    assert b"ERR TAKEN_OVER" in bytes(client.received)
    assert server.held() == []


def test_a_beginning_of_several_ids_discards_none(server: Server, asking: Asking) -> None:
    for number in range(20):  # of which two begin with the same digit
        begin(server, f"UPLOAD f{number} 5", b"he").reset()
    ids = [one["id"] for one in asking("transfers")["unfinished"]]
    first = next(id[0] for id in ids if sum(other[0] == id[0] for other in ids) > 1)

    assert asking("discard", id=first) == "there are several; give more of the id"
    assert len(server.held()) == 20


def test_what_is_not_known_is_said(asking: Asking) -> None:
    assert asking("format") == "this daemon does not know that request"
