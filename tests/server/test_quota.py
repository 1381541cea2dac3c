"""Bytes and uploads that are more than may be kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path

import pytest
from blake3 import blake3

from filesrv.server.limits import Limits
from tests.support.memory import DAY, Client, Server
from tests.support.scripted import Conversation, normal

Make = Callable[..., Server]

ALICE, BOB = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Server] = []

    def server(**limits: float) -> Server:
        made.append(Server(tmp_path / "root", limits=Limits(**limits)))
        return made[-1]

    yield server
    for each in made:
        each.close()


def answer(client: Client, line: str) -> str:
    return normal(client.asks(line.encode())[0])


def put(server: Server, name: str, size: int, host: str = ALICE) -> str:
    """Upload a file; the last of what is answered."""
    client = server.connect(host)
    script = f"UPLOAD {name} {size} 0\n".encode() + b"x" * size
    return normal(client.says(script).decode().splitlines()[-1])


def stored(name: str, size: int) -> str:
    return f"OK stored={name} size={size} received={size}"


def begun(server: Server, name: str, size: int, held: int, host: str = ALICE) -> Client:
    """Begin an upload of which so much arrives."""
    client = server.connect(host)
    client.says(f"UPLOAD {name} {size}\n".encode())
    client.says(b"x" * held)
    return client


class TestUploadSize:
    def test_a_file_above_it_is_refused_and_its_payload_is_no_command(self, tmp_path: Path) -> None:
        conversation = Conversation(tmp_path, options={"limits": Limits(upload_size=9)})
        conversation.check(
            b"UPLOAD a 10 0\nECHO oops\nUPLOAD b 9 0\nECHO keptECHO c\n",
            "ERR TOO_LARGE limit=9",
            "OK offset=0 length=9",
            "OK stored=b size=9 received=9",
            "c",
            files={"b": b"ECHO kept"},
            held=[],
        )

    def test_it_is_refused_before_a_byte_is_taken_also_where_the_client_waits(
        self, make: Make
    ) -> None:
        server = make(upload_size=9)
        client = server.connect()

        assert answer(client, "UPLOAD a 10") == "ERR TOO_LARGE limit=9"
        assert client.asks(b"ECHO b") == ["b"]
        assert server.held() == []


class TestUnfinished:
    def test_a_client_has_so_many(self, make: Make) -> None:
        server = make(unfinished_per_client=2)
        begun(server, "a", 5, 1).reset()
        begun(server, "b", 5, 1)
        client = server.connect(ALICE)

        assert answer(client, "UPLOAD c 5") == "ERR QUOTA limit=2"
        assert put(server, "c", 5, BOB) == stored("c", 5)
        assert answer(client, "DISCARD a") == "OK"
        assert answer(client, "UPLOAD c 5") == "OK offset=0 length=5"

    def test_going_on_or_beginning_anew_is_not_one_more(self, make: Make) -> None:
        server = make(unfinished_per_client=1, unfinished_bytes_per_client=5)
        begun(server, "a", 5, 2).reset()

        assert answer(server.connect(), "UPLOAD a 5").startswith("OK offset=2 length=3")
        assert answer(server.connect(), "UPLOAD a 5 0").startswith("OK offset=0 length=5")
        assert answer(server.connect(), "UPLOAD a 4").startswith("OK offset=0 length=4")

    def test_several_at_once_count_with_what_they_were_announced_to_become(
        self, make: Make
    ) -> None:
        server = make(unfinished_bytes_per_client=10)
        first = begun(server, "a", 6, 1)

        assert answer(server.connect(), "UPLOAD b 5") == "ERR QUOTA limit=10"
        first.reset()
        assert answer(server.connect(), "UPLOAD b 9") == "OK offset=0 length=9"
        assert answer(server.connect(), "UPLOAD a 6") == "ERR QUOTA limit=10"
        assert server.held() == [b"", b"x"]

    def test_what_expires_counts_no_more(self, make: Make) -> None:
        server = make(unfinished_per_client=1)
        begun(server, "a", 5, 1).reset()
        server.pass_time(8 * DAY)
        server.shelves.uploads.expire()

        assert put(server, "b", 5) == stored("b", 5)

    def test_a_restart_changes_nothing(self, make: Make) -> None:
        server = make(unfinished_per_client=1, unfinished_bytes_per_client=8)
        begun(server, "a", 5, 4).reset()
        server.kill()

        assert answer(server.connect(), "UPLOAD b 1") == "ERR QUOTA limit=1"
        assert answer(server.connect(), "UPLOAD a 5").startswith("OK offset=4 length=1")


class TestAll:
    def test_all_files_and_unfinished_uploads_count(self, make: Make) -> None:
        server = make(quota=10)
        assert put(server, "a", 4, ALICE) == stored("a", 4)
        begun(server, "b", 6, 2, BOB).reset()

        assert put(server, "c", 5, ALICE) == "ERR QUOTA limit=10"
        assert put(server, "c", 4, ALICE) == stored("c", 4)

    def test_what_was_there_before_counts_and_a_restart_changes_nothing(self, make: Make) -> None:
        server = make(quota=10)
        server.put("deep/down/a", b"12345")
        server.restart()
        begun(server, "b", 5, 3).reset()
        server.restart()

        assert put(server, "c", 3) == "ERR QUOTA limit=10"
        assert put(server, "c", 2) == stored("c", 2)

    def test_what_goes_away_makes_room(self, make: Make) -> None:
        server = make(quota=10)
        client = server.connect()
        put(server, "a", 5)
        put(server, "b", 5)
        assert put(server, "c", 1) == "ERR QUOTA limit=10"
        assert answer(client, "DELETE a") == "OK"
        assert put(server, "a", 5) == stored("a", 5)
        assert answer(client, "RENAME a b") == "OK"
        assert put(server, "c", 5) == stored("c", 5)
        assert answer(client, "RENAME c c") == "OK"
        assert answer(client, "DELETE c") == "OK"
        assert put(server, "b", 5) == stored("b", 5)
        assert put(server, "b", 5) == stored("b", 5)
        assert put(server, "b", 6) == "ERR QUOTA limit=10"

    def test_a_refused_upload_leaves_what_was_held_of_it(self, make: Make) -> None:
        server = make(quota=10)
        begun(server, "a", 8, 4).reset()
        put(server, "b", 5)

        assert answer(server.connect(), "UPLOAD a 8 0") == "ERR QUOTA limit=10"
        assert answer(server.connect(), "DELETE b") == "OK"
        assert answer(server.connect(), "UPLOAD a 8").startswith("OK offset=4 length=4")


class TestByClient:
    def test_what_a_client_published_and_began_counts_and_nobody_elses(self, make: Make) -> None:
        server = make(quota_per_client=10)
        put(server, "a", 4)
        begun(server, "b", 6, 2).reset()

        assert put(server, "c", 5) == "ERR QUOTA limit=10"
        assert put(server, "c", 10, BOB) == stored("c", 10)
        assert put(server, "d", 4) == stored("d", 4)

    def test_whoever_publishes_last_has_the_file(self, make: Make) -> None:
        server = make(quota_per_client=10)
        put(server, "a", 10, ALICE)
        put(server, "a", 10, BOB)

        assert put(server, "b", 10, ALICE) == stored("b", 10)
        assert put(server, "c", 1, BOB) == "ERR QUOTA limit=10"

    def test_a_file_is_whose_it_was_under_any_name(self, make: Make) -> None:
        server = make(quota_per_client=10)
        put(server, "a/1", 5, ALICE)
        put(server, "a/2", 5, ALICE)
        bob = server.connect(BOB)
        assert answer(bob, "RENAME a/ b/") == "OK"
        assert answer(bob, "RENAME b/1 one") == "OK"

        assert put(server, "c", 1, ALICE) == "ERR QUOTA limit=10"
        assert answer(bob, "DELETE one") == "OK"
        assert put(server, "c", 6, ALICE) == "ERR QUOTA limit=10"
        assert put(server, "c", 5, ALICE) == stored("c", 5)
        assert answer(bob, "RENAME c b/2") == "OK"
        assert put(server, "d", 5, ALICE) == stored("d", 5)

    def test_a_restart_keeps_it_and_sees_what_is_gone(self, make: Make) -> None:
        server = make(quota_per_client=10)
        put(server, "a", 5)
        put(server, "b", 5)
        server.restart()
        assert put(server, "c", 1) == "ERR QUOTA limit=10"
        (server.root / "a").unlink()
        server.restart()

        assert put(server, "c", 6) == "ERR QUOTA limit=10"
        assert put(server, "c", 5) == stored("c", 5)

    def test_what_is_there_without_an_upload_is_nobodys(self, make: Make) -> None:
        server = make(quota_per_client=10)
        server.put("theirs", bytes(100))
        server.restart()

        assert put(server, "a", 10) == stored("a", 10)
        assert answer(server.connect(), "DELETE theirs") == "OK"
        assert put(server, "b", 1) == "ERR QUOTA limit=10"

    def test_a_commit_counts_once(self, make: Make) -> None:
        server = make(quota_per_client=10)
        client = server.connect()
        assert b" received=10 " in client.says(b"UPLOAD a 10 0 commit=ask\n0123456789")
        assert put(server, "b", 1) == "ERR QUOTA limit=10"
        digest = blake3(blake3(b"0123456789").digest()).hexdigest()
        assert answer(client, f"COMMIT a blake3-4m={digest}").startswith("OK stored=a ")

        assert put(server, "b", 1) == "ERR QUOTA limit=10"
        assert answer(client, "DELETE a") == "OK"
        assert put(server, "b", 10) == stored("b", 10)


def test_where_nothing_counts_files_nobody_looks_at_them(make: Make) -> None:
    server = make(quota=inf, quota_per_client=inf)
    put(server, "a", 5)

    assert not (server.root / ".filesrv" / "owners.sqlite").exists()
