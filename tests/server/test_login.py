"""LOGIN, and what may be done before it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from filesrv.access.access import Access
from filesrv.access.door import Door
from filesrv.access.penalties import Cost
from filesrv.access.rights import Right
from filesrv.server import events
from filesrv.server.commands import COMMANDS
from tests.support.logs import Log
from tests.support.memory import Client, MemoryReactor, Server

NEAR, FAR = "127.0.0.1", "192.0.2.1"

#: Commands that need no login, as docs/protocol.rst has them.
OPEN = {"ECHO", "TIME", "HELP", "HELLO", "STARTTLS", "LOGIN", "CLOSE", "EXIT", "QUIT"}


def guarded(root: Path, anonymous: Right = Right.NONE, **more: Any) -> Server:
    """A server of two users."""
    reactor = MemoryReactor()
    checker = InMemoryUsernamePasswordDatabaseDontUse(ada=b'pass word "1"', bob=b"x=y")
    access = Access(Door(reactor, [checker], Cost()), anonymous, **more)
    return Server(root, access=access, reactor=reactor)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = guarded(tmp_path / "root")
    made.put("report", b"words")
    yield made
    made.close()


def code(client: Client, line: bytes) -> str:
    """The first two words of an answer, its code where it is a refusal."""
    return " ".join(client.asks(line)[0].split()[:2])


def test_every_verb_but_a_few_needs_a_login(server: Server) -> None:
    arguments = {"UPLOAD": b"a 0", "RENAME": b"a b", "COMMIT": b"a"}
    refused = {
        verb
        for verb in COMMANDS
        if verb != "STARTTLS"
        and code(server.connect(NEAR), verb.encode() + b" " + arguments.get(verb, b"report"))
        == "ERR LOGIN_REQUIRED"
    }
    assert refused == set(COMMANDS) - OPEN


def test_after_login_they_work(server: Server) -> None:
    client = server.connect(NEAR)

    assert client.asks(rb'LOGIN ada "pass word \"1\""') == ["OK"]
    assert client.asks(b"LIST")[0] == "OK lines=1"
    assert code(client, b"DELETE report") == "OK"


def test_a_password_that_looks_like_an_option_is_one(server: Server) -> None:
    assert server.connect(NEAR).asks(b"LOGIN bob x=y") == ["OK"]


def test_a_wrong_password_is_refused_after_a_while_and_what_follows_waits(server: Server) -> None:
    client = server.connect(NEAR)

    assert client.says(b"LOGIN ada wrong\nECHO behind\n") == b""
    server.pass_time(1)
    refusal, behind = client.new().decode().splitlines()
    assert refusal.startswith("ERR LOGIN_FAILED ")
    assert behind == "behind"
    assert code(client, b"LIST") == "ERR LOGIN_REQUIRED"


def test_a_login_that_fails_leaves_who_was_there_before(server: Server) -> None:
    client = server.connect(NEAR)
    client.asks(b"LOGIN bob x=y")
    client.says(b"LOGIN ada wrong\n")
    server.pass_time(1)
    client.new()

    assert code(client, b"LIST") == "OK lines=1"
    assert client.protocol.session.user == "bob"


@pytest.mark.parametrize("host", [FAR, "2001:db8::1", "::ffff:192.0.2.1"])
def test_a_password_that_others_could_have_read_is_not_looked_at(server: Server, host: str) -> None:
    client = server.connect(host)

    assert code(client, b"LOGIN bob x=y") == "ERR DENIED"
    assert code(client, b"LOGIN bob wrong") == "ERR DENIED"
    assert code(client, b"LIST") == "ERR LOGIN_REQUIRED"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_from_the_same_machine_nobody_listens(server: Server, host: str) -> None:
    assert code(server.connect(host), b"LOGIN bob x=y") == "OK"


def test_the_administrator_can_allow_plain_passwords(tmp_path: Path) -> None:
    server = guarded(tmp_path / "root", plain_login=True)
    assert code(server.connect(FAR), b"LOGIN bob x=y") == "OK"
    server.close()


def test_without_users_nobody_logs_in_and_everybody_may_do_everything(tmp_path: Path) -> None:
    server = Server(tmp_path / "root")
    client = server.connect(FAR)

    assert code(client, b"LOGIN bob x=y") == "ERR LOGIN_FAILED"
    assert code(client, b"UPLOAD a 1 0\nx") == "OK offset=0"
    server.close()


def test_the_payload_of_an_upload_that_was_refused_is_no_command(server: Server) -> None:
    client = server.connect(NEAR)

    refusal, behind = client.asks(b"UPLOAD a 14 0\nECHO injected\nECHO behind")

    assert refusal.startswith("ERR LOGIN_REQUIRED ")
    assert behind == "behind"
    assert set(server.files()) == {"report"}


class TestAnonymous:
    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[Server]:
        made = guarded(tmp_path / "root", Right.READ | Right.LIST)
        made.put("report", b"words")
        yield made
        made.close()

    @pytest.mark.parametrize(
        "line", [b"LIST", b"STAT report", b"DOWNLOAD report", b"HASH report", b"SUMS report"]
    )
    def test_what_only_reads_needs_no_login(self, server: Server, line: bytes) -> None:
        assert server.connect(FAR).asks(line)[0].startswith("OK ")

    @pytest.mark.parametrize(
        "line", [b"UPLOAD a 0", b"DELETE report", b"RENAME report b", b"DISCARD a", b"COMMIT a"]
    )
    def test_the_rest_does(self, server: Server, line: bytes) -> None:
        assert code(server.connect(FAR), line) == "ERR LOGIN_REQUIRED"
        assert server.files() == {"report": b"words"}


class TestWhoItIs:
    def test_a_user_goes_on_with_an_upload_from_elsewhere(self, server: Server) -> None:
        first = server.connect("127.0.0.1")
        first.says(b"LOGIN bob x=y\nUPLOAD big 10 0\nabc")
        first.reset()
        second = server.connect("::1")
        second.asks(b"LOGIN bob x=y")

        assert "offset=3" in second.asks(b"UPLOAD big 10")[0]

    def test_an_unfinished_upload_is_its_users_alone(self, server: Server) -> None:
        first = server.connect(NEAR)
        first.says(b"LOGIN bob x=y\nUPLOAD big 10 0\nabc")
        first.reset()
        other = server.connect(NEAR)
        assert code(other, b"HELLO user:bob") == "ERR BAD_ARGUMENTS"
        other.asks(rb'LOGIN ada "pass word \"1\""')

        assert other.asks(b"PENDING") == ["OK lines=0"]
        assert code(other, b"DISCARD big") == "ERR NOT_FOUND"
        assert code(other, b"SUMS big") == "ERR NOT_FOUND"
        assert code(other, b"STAT big") == "ERR NOT_FOUND"

    def test_a_token_does_not_count_for_who_has_logged_in(self, server: Server) -> None:
        client = server.connect(NEAR)
        client.asks(b"LOGIN bob x=y")

        assert client.asks(b"HELLO 0123456789abcdef") == ["OK client=user:bob"]


class TestWhatIsTold:
    def test_who_logs_in_and_who_fails(self, server: Server) -> None:
        told: list[Any] = []
        server.shelves.events.subscribe(events.LoggedIn, told.append)
        server.shelves.events.subscribe(events.LoginFailed, told.append)
        client = server.connect(NEAR)
        client.says(b"LOGIN bob wrong\nLOGIN bob x=y\n")
        server.pass_time(1)

        failed, entered = told
        assert isinstance(failed, events.LoginFailed)
        assert failed.user == "bob"
        assert isinstance(entered, events.LoggedIn)
        assert entered.who.user == "bob"

    @pytest.mark.parametrize(
        "line",
        [
            b"LOGIN ada hunter2",
            b"LOGIN ada hunter2 more",
            b'LOGIN ada "hunter2',
            b"LOGIN ada hunter2\xff",
            b"LOGIN hunter2",
            b"LOGIN ada " + b"hunter2" * 800,
        ],
    )
    @pytest.mark.parametrize("host", [NEAR, FAR])
    def test_a_password_is_neither_logged_nor_sent_back(
        self, server: Server, log: Log, line: bytes, host: str
    ) -> None:
        client = server.connect(host)
        answer = client.says(line + b"\n")
        server.pass_time(2)

        assert (answer + client.new()).startswith(b"ERR ")
        assert b"hunter2" not in client.received
        assert "hunter2" not in "\n".join(log.lines)

    def test_nobody_comes_in_who_has_left_while_waiting(self, server: Server) -> None:
        told: list[Any] = []
        server.shelves.events.subscribe(events.LoggedIn, told.append)
        first, second = server.connect(NEAR), server.connect(NEAR)
        for client in (first, second):
            client.send(b"LOGIN bob x=y\n")
        server.reactor.turn()
        second.transport.connectionLost(Failure(ConnectionLost()))
        server.settle()

        assert [entered.who.number for entered in told] == [1]
        assert first.new() == b"OK\n"
