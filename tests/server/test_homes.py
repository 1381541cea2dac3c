"""Homes: each user's names are below a directory of their own, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from filesrv.access.access import Access
from tests.support.memory import Client, Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "root", access=Access(homes=True))
    yield made
    made.close()


def logged_in(server: Server, user: str) -> Client:
    client = server.connect()
    client.protocol.session.log_in(user)
    return client


def test_what_is_uploaded_is_in_the_users_home(server: Server) -> None:
    alice = logged_in(server, "alice")

    *_, last = alice.asks(b"UPLOAD docs/report.pdf 3 0\nabc")

    assert last.startswith("OK stored=docs/report.pdf size=3 ")
    assert server.files() == {"homes/alice/docs/report.pdf": b"abc"}


def test_two_users_have_a_file_each_under_the_same_name(server: Server) -> None:
    server.put("homes/alice/plan", b"alice's")
    server.put("homes/bob/plan", b"bob's")

    assert b"alice's" in logged_in(server, "alice").says(b"DOWNLOAD plan\n")
    assert b"bob's" in logged_in(server, "bob").says(b"DOWNLOAD plan\n")


@pytest.mark.parametrize("name", ["../bob/plan", "/plan", "docs/../../bob/plan", ".filesrv/lock"])
def test_no_name_leads_out_of_a_home(server: Server, name: str) -> None:
    server.put("homes/bob/plan", b"bob's")

    [answer] = logged_in(server, "alice").asks(f"DOWNLOAD {name}".encode())

    assert answer.startswith("ERR BAD_NAME ")


def test_names_are_shown_as_the_user_knows_them(server: Server) -> None:
    server.put("homes/alice/a b/plan", b"plan")
    alice = logged_in(server, "alice")

    _, directory = alice.asks(b"LIST")
    assert directory.endswith(' "a b/"')
    _, file = alice.asks(b'LIST "a b/"')
    assert file.endswith(' "a b/plan"')
    for command in (b"STAT", b"DOWNLOAD", b"DELETE", b"DISCARD"):
        [refusal] = alice.asks(command + b' "no such"')
        assert refusal.endswith(' "no such"')
        assert "homes" not in refusal


def test_an_unfinished_upload_is_shown_as_the_user_knows_it(server: Server) -> None:
    alice = logged_in(server, "alice")
    alice.says(b"UPLOAD big 10 0\nabc")
    alice.reset()

    _, line = logged_in(server, "alice").asks(b"PENDING")

    assert line.endswith(" big last=reset")


def test_an_unfinished_upload_is_its_users_alone(server: Server) -> None:
    alice = logged_in(server, "alice")
    alice.says(b"UPLOAD big 10 0\nabc")
    alice.reset()
    bob = logged_in(server, "bob")

    assert bob.asks(b"PENDING") == ["OK lines=0"]
    assert bob.asks(b"DISCARD big")[0].startswith("ERR NOT_FOUND ")
    assert " offset=0 " in bob.asks(b"UPLOAD big 10")[0]
