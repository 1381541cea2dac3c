"""What a user may do, by directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from filesrv.access.access import Access
from filesrv.access.rights import parse_rights
from tests.support.memory import Client, Server

RIGHTS = """
[/]
reader    = read, list
owner     = all
anonymous = list

[/in]
sender    = write
keeper    = write, delete

[/deep/down]
finder    = list
owner     = none

[/mine]
sender    = all
keeper    = all
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "root", access=Access(rights=parse_rights(RIGHTS)))
    for name in ("top", "in/box", "deep/down/well", "deep/side/x", "mine/x"):
        made.put(name, b"words")
    yield made
    made.close()


def user(server: Server, name: str) -> Client:
    client = server.connect()
    client.protocol.session.log_in(name)
    return client


def code(client: Client, line: bytes) -> str:
    return " ".join(client.asks(line)[0].split()[:2])


def names(client: Client, line: bytes = b"LIST") -> list[str]:
    return [entry.rpartition(" ")[2] for entry in client.asks(line)[1:]]


@pytest.mark.parametrize(
    "line",
    [
        b"UPLOAD new 0",
        b"UPLOAD top 0",
        b"DELETE top",
        b"RENAME top other",
        b"RENAME in/box top",
        b"DISCARD top",
        b"COMMIT top",
    ],
)
def test_who_may_read_changes_nothing(server: Server, line: bytes) -> None:
    before = server.files()

    assert code(user(server, "reader"), line) == "ERR DENIED"
    assert server.files() == before


@pytest.mark.parametrize("line", [b"LIST", b"STAT top", b"DOWNLOAD top", b"HASH top", b"SUMS top"])
def test_who_may_read_reads(server: Server, line: bytes) -> None:
    assert code(user(server, "reader"), line).startswith("OK")
    assert code(user(server, "stranger"), line) == "ERR DENIED"


def test_what_is_refused_is_refused_whether_it_is_there_or_not(server: Server) -> None:
    client = user(server, "stranger")
    [there] = client.asks(b"DOWNLOAD top")
    [not_there] = client.asks(b"DOWNLOAD ton")

    assert there == not_there.replace("ton", "top")


class TestDropBox:
    """Who may only write somewhere sends files there, and learns nothing of others'."""

    def test_a_file_is_sent_and_verified(self, server: Server) -> None:
        sender = user(server, "sender")
        assert code(sender, b"UPLOAD in/new 3 commit=ask") == "OK offset=0"
        assert b"OK size=3" in sender.says(b"abc")
        assert code(sender, b"STAT in/new") == "OK size=3"
        assert code(sender, b"SUMS in/new") == "OK lines=1"

    @pytest.mark.parametrize(
        "line", [b"STAT in/box", b"SUMS in/box", b"DOWNLOAD in/box", b"LIST in"]
    )
    def test_what_is_there_is_not_told(self, server: Server, line: bytes) -> None:
        assert code(user(server, "sender"), line) == "ERR DENIED"

    def test_what_is_there_is_not_replaced(self, server: Server) -> None:
        sender = user(server, "sender")

        assert code(sender, b"UPLOAD in/box 1 0\nx") == "ERR EXISTS"
        assert code(sender, b"RENAME mine/x in/box") == "ERR EXISTS"
        assert code(sender, b"DELETE in/box") == "ERR DENIED"
        assert server.files()["in/box"] == b"words"

    def test_what_comes_up_meanwhile_is_not_replaced(self, server: Server) -> None:
        sender = user(server, "sender")
        sender.says(b"UPLOAD in/new 3 0\nab")
        server.put("in/new", b"other")

        assert sender.says(b"c").startswith(b"ERR EXISTS")
        assert server.files()["in/new"] == b"other"

    def test_who_may_delete_replaces(self, server: Server) -> None:
        assert code(user(server, "keeper"), b"UPLOAD in/box 1 0\nx") == "OK offset=0"
        assert server.files()["in/box"] == b"x"

    def test_nothing_is_moved_to_where_it_can_be_read(self, server: Server) -> None:
        assert code(user(server, "keeper"), b"RENAME in/box mine/box") == "ERR DENIED"
        assert code(user(server, "keeper"), b"RENAME in mine/in") == "ERR DENIED"
        assert "in/box" in server.files()


class TestBelow:
    """A directory is moved with all that is in it."""

    def test_what_may_not_be_touched_is_not_moved_with_its_parent(self, server: Server) -> None:
        owner = user(server, "owner")

        assert code(owner, b"DOWNLOAD deep/down/well") == "ERR DENIED"
        assert code(owner, b"RENAME deep open") == "ERR DENIED"
        assert code(owner, b"RENAME deep/side open") == "OK"
        assert "deep/down/well" in server.files()

    def test_nothing_is_put_where_somebody_may_not_write(self, server: Server) -> None:
        owner = user(server, "owner")

        assert code(owner, b"RENAME top deep/down/top") == "ERR DENIED"
        assert code(owner, b"RENAME mine deep") == "ERR DENIED"


class TestList:
    def test_it_shows_the_way_to_what_may_be_listed_and_nothing_else(self, server: Server) -> None:
        finder = user(server, "finder")

        assert names(finder) == ["deep/"]
        assert names(finder, b"LIST deep") == ["deep/down/"]
        assert names(finder, b"LIST deep/down/") == ["deep/down/well"]
        assert code(finder, b"LIST in") == "ERR DENIED"

    def test_it_leaves_out_what_may_not_be_listed(self, server: Server) -> None:
        assert names(user(server, "owner"), b"LIST deep") == ["deep/side/"]

    def test_who_has_not_logged_in_has_the_rights_of_anonymous(self, server: Server) -> None:
        client = server.connect()

        assert "top" in names(client)
        assert code(client, b"DOWNLOAD top") == "ERR DENIED"
