"""Who may go on with what: identity, taking over, PENDING, DISCARD, expiry, restarts."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import permutations

import pytest

from filesrv.wire.times import parse_time
from tests.support.memory import DAY, Client, Server
from tests.support.scripted import Conversation

TOKEN, OTHER_TOKEN = b"HELLO 0123456789abcdef\n", b"HELLO fedcba9876543210\n"
MIB = 1024 * 1024


def begin(server: Server, line: bytes, data: bytes, *, hello: bytes = b"") -> Client:
    """A client in the middle of an upload."""
    client = server.connect()
    client.says(hello, line, data)
    return client


class TestIdentity:
    def test_the_host_counts_and_not_the_port(self, server: Server) -> None:
        begin(server, b"UPLOAD f 5\n", b"hel").reset()

        assert server.connect("192.0.2.1").asks(b"UPLOAD f 5")[0].startswith("OK offset=3 ")

    @pytest.mark.parametrize("host", ["192.0.2.2", "2001:db8::1", "::1", "::ffff:192.0.2.2"])
    def test_another_host_is_another_client(self, server: Server, host: str) -> None:
        begin(server, b"UPLOAD f 5\n", b"hel").reset()
        other = server.connect(host)

        assert other.asks(b"PENDING") == ["OK lines=0"]
        assert other.asks(b"STAT f")[0].startswith("ERR NOT_FOUND ")
        assert other.asks(b"DISCARD f")[0].startswith("ERR NOT_FOUND ")
        assert other.asks(b"UPLOAD f 5 3")[0] == "ERR BAD_OFFSET stored=0 0 bytes are here"
        assert server.held() == [b"hel"]

    def test_an_ipv4_address_mapped_into_ipv6_is_itself(self, server: Server) -> None:
        begin(server, b"UPLOAD f 5\n", b"hel").reset()

        mapped = server.connect("::ffff:192.0.2.1")

        assert mapped.asks(b"UPLOAD f 5")[0].startswith("OK offset=3 ")

    def test_an_ipv6_address_that_only_begins_like_one_is_not(self, server: Server) -> None:
        client = server.connect("::ffff:1:2")
        client.says(b"UPLOAD f 5\n", b"hel")
        client.reset()

        assert server.connect("1:2::").asks(b"PENDING") == ["OK lines=0"]
        assert server.connect("::ffff:1:2").asks(b"UPLOAD f 5")[0].startswith("OK offset=3 ")

    def test_a_token_goes_before_the_address(self, server: Server) -> None:
        begin(server, b"UPLOAD f 5\n", b"hel", hello=TOKEN).reset()

        assert server.connect().asks(b"PENDING") == ["OK lines=0"]
        elsewhere = server.connect("2001:db8::99")
        elsewhere.says(OTHER_TOKEN)
        assert elsewhere.asks(b"PENDING") == ["OK lines=0"]
        elsewhere.says(TOKEN)
        assert elsewhere.asks(b"UPLOAD f 5")[0].startswith("OK offset=3 ")

    def test_two_clients_of_one_name_each_have_their_own_and_the_last_stands(
        self, server: Server
    ) -> None:
        first, second = server.connect("192.0.2.1"), server.connect("192.0.2.2")
        first.says(b"UPLOAD f 9\n", b"aaaa")
        second.says(b"UPLOAD f 9\n", b"bbb")
        assert server.held() == [b"aaaa", b"bbb"]
        first.reset()
        second.says(b"bbbbbb")
        assert server.files() == {"f": b"b" * 9}

        again = server.connect("192.0.2.1")
        assert again.asks(b"UPLOAD f 9")[0].startswith("OK offset=4 length=5")
        again.says(b"aaaaa")

        assert server.files() == {"f": b"a" * 9}
        assert server.held() == []

    def test_uploads_of_many_at_once_never_mix(self, server: Server) -> None:
        hosts = [f"192.0.2.{number}" for number in range(1, 9)]
        clients = [server.connect(host) for host in hosts]
        for client in clients:
            client.says(b"UPLOAD f 800 0\n")
        for turn in range(8):
            for client, letter in zip(clients, b"abcdefgh", strict=True):
                client.says(bytes([letter]) * 100)
                if turn == 7:
                    assert server.files() == {"f": bytes([letter]) * 800}


class TestTakingOver:
    def test_the_new_connection_gets_the_right_offset_at_once(self, server: Server) -> None:
        old = begin(server, b"UPLOAD f 10\n", b"01234")
        old.die()
        new = server.connect()

        new.send(b"UPLOAD f 10\n")
        server.reactor.turn()  # that very turn

        assert new.new() == b"OK offset=5 length=5 last=taken-over\n"
        new.says(b"56789")
        assert server.files() == {"f": b"0123456789"}

    def test_who_still_listens_is_told_and_disconnected(self, server: Server) -> None:
        old = begin(server, b"UPLOAD f 10\n", b"01234")
        old.new()
        server.connect().says(b"UPLOAD f 10\n")

        assert old.new() == b"ERR TAKEN_OVER this transfer goes on over a newer connection\r\n"
        assert old.end_seen

    def test_who_does_not_is_forgotten_after_a_while(self, server: Server) -> None:
        old = begin(server, b"UPLOAD f 10\n", b"01234")
        old.die()
        new = server.connect()
        new.says(b"UPLOAD f 10\n")
        server.pass_time(11)

        assert old.closed
        assert not new.closed

    def test_late_bytes_of_the_old_connection_change_nothing(self, server: Server) -> None:
        old = begin(server, b"UPLOAD f 10\n", b"01234")
        new = server.connect()
        new.says(b"UPLOAD f 10\n")

        for late in (b"XXX", b"XXXXXXX\n", b"UPLOAD f 10 0\nXXXXXXXXXX", b"DISCARD f\n"):
            old.says(late)
        new.says(b"567")
        old.says(b"X" * 100)
        new.says(b"89")

        assert server.files() == {"f": b"0123456789"}
        assert b"OK stored=f size=10 received=5 " in new.received

    def test_bytes_that_came_in_the_same_turn_before_it_are_kept(self, server: Server) -> None:
        old, new = begin(server, b"UPLOAD f 10\n", b"01234"), server.connect()
        old.send(b"567")
        new.send(b"UPLOAD f 10\n")
        server.reactor.turn()

        assert new.new().startswith(b"OK offset=8 length=2")

    def test_the_same_upload_begun_twice_at_once_is_stored_once_and_whole(
        self, server: Server
    ) -> None:
        first, second = server.connect(), server.connect()
        first.send(b"UPLOAD f 10 0\n", b"aaaaa", b"aaaaa")
        second.send(b"UPLOAD f 10 0\n", b"bbbbb", b"bbbbb")
        server.settle()

        assert server.files() == {"f": b"b" * 10}
        assert b"TAKEN_OVER" in first.received
        assert server.held() == []

    def test_the_old_connection_may_have_sent_an_end(self, server: Server) -> None:
        old = begin(server, b"UPLOAD f 10\n", b"01234")
        old.half_close()
        new = server.connect()
        new.send(b"UPLOAD f 10\n")
        server.settle()

        assert new.new().startswith(b"OK offset=5 ")

    def test_taking_over_again_and_again_loses_nothing(self, server: Server) -> None:
        content = bytes(range(100))
        clients = []
        for offset in range(100):
            client = server.connect()
            assert client.asks(b"UPLOAD f 100")[0].startswith(f"OK offset={offset} ")
            client.says(content[offset : offset + 1])
            clients.append(client)

        assert server.files() == {"f": content}
        assert all(client.end_seen for client in clients[:-1])

    def test_another_clients_upload_of_the_name_is_left_alone(self, server: Server) -> None:
        other = server.connect("192.0.2.9")
        other.says(b"UPLOAD f 4\n", b"xy")
        begin(server, b"UPLOAD f 4\n", b"ab")
        server.connect().says(b"UPLOAD f 4\n")

        assert other.says(b"zz").startswith(b"OK stored=f ")
        assert server.files() == {"f": b"xyzz"}


class TestPending:
    def test_unfinished_transfers_are_listed_with_what_is_needed_to_go_on(
        self, server: Server
    ) -> None:
        begin(server, b"UPLOAD half.iso 700 0\n", b"x" * 400).reset()
        server.pass_time(1)
        begin(server, b'UPLOAD "d/annual report" 9 0\n', b"y")
        client = server.connect()

        first, *lines = client.asks(b"PENDING")

        assert first == "OK lines=2"
        assert re.fullmatch(r"upload 400 700 \S+Z half\.iso last=reset", lines[0])
        assert re.fullmatch(r'upload 1 9 \S+Z "d/annual report"', lines[1])

    @pytest.mark.parametrize(
        ("end", "word"),
        [
            (lambda server, client: client.reset(), "reset"),
            (lambda server, client: client.half_close(), "closed"),
            (lambda server, client: [server.pass_time(100) for _ in range(5)], "stalled"),
            (lambda server, client: server.connect().says(b"UPLOAD f 9\n"), "taken-over"),
        ],
    )
    def test_the_next_upload_is_told_how_the_last_connection_ended(
        self, server: Server, end: Callable[[Server, Client], object], word: str
    ) -> None:
        client = begin(server, b"UPLOAD f 9\n", b"abc")
        end(server, client)
        server.settle()

        assert server.connect().asks(b"UPLOAD f 9") == [f"OK offset=3 length=6 last={word}"]

    def test_finished_ones_are_not_listed(self, conversation: Conversation) -> None:
        conversation.check(
            b"UPLOAD f 3 0\nabcDOWNLOAD f\nUPLOAD g 0\nPENDING\n",
            "OK offset=0 length=3",
            "OK stored=f size=3 received=3",
            "OK offset=0 length=3 size=3 version=* modified=*",
            b"abc",
            "OK sent=3",
            "OK offset=0 length=0",
            "OK stored=g size=0 received=0",
            "OK lines=0",
        )


class TestDiscard:
    def test_an_unfinished_upload_is_forgotten_and_the_file_stays(self, server: Server) -> None:
        server.put("f", b"published")
        begin(server, b"UPLOAD f 9\n", b"abc").reset()
        client = server.connect()

        assert client.asks(b"DISCARD f") == ["OK"]
        assert client.asks(b"DISCARD f")[0].startswith("ERR NOT_FOUND ")
        assert client.asks(b"PENDING") == ["OK lines=0"]
        assert server.held() == []
        assert server.files() == {"f": b"published"}
        assert client.asks(b"UPLOAD f 9")[0] == "OK offset=0 length=9"

    def test_one_that_is_going_on_is_ended(self, server: Server) -> None:
        going = begin(server, b"UPLOAD f 9\n", b"abc")
        client = server.connect()

        assert client.asks(b"DISCARD f") == ["OK"]
        assert b"ERR TAKEN_OVER" in going.new()
        going.says(b"defghi")
        assert server.held() == []
        assert server.files() == {}

    def test_what_is_none_is_refused(self, conversation: Conversation) -> None:
        conversation.prepare = lambda server: server.put("f", b"x")
        conversation.check(
            b"DISCARD f\nDISCARD none\nDISCARD ../f\n",
            *["ERR NOT_FOUND"] * 2,
            "ERR BAD_NAME",
            files={"f": b"x"},
        )


class TestExpiry:
    def test_it_is_kept_until_the_time_that_pending_says_and_no_longer(
        self, server: Server
    ) -> None:
        begin(server, b"UPLOAD f 9\n", b"abc").reset()
        [line] = server.connect().asks(b"PENDING")[1:]
        left = parse_time(line.split()[3]) / 1e9 - server.reactor.seconds()
        assert left == pytest.approx(7 * DAY, abs=1)

        server.pass_time(left - 1)
        server.shelves.uploads.expire()
        assert server.held() == [b"abc"]
        server.pass_time(2)
        server.shelves.uploads.expire()

        assert server.held() == []
        assert server.connect().asks(b"PENDING") == ["OK lines=0"]

    def test_going_on_keeps_it_for_another_while(self, server: Server) -> None:
        for _ in range(3):
            begin(server, b"UPLOAD f 9\n", b"a").reset()
            server.pass_time(6 * DAY)
            server.shelves.uploads.expire()

        assert server.held() == [b"aaa"]

    def test_it_never_expires_while_somebody_works_on_it(self, server: Server) -> None:
        begin(server, b"UPLOAD f %d\n" % MIB, b"abc").reset()
        client = server.connect()
        client.says(b"UPLOAD f %d\n" % MIB)
        # In one go, before anybody could notice a stalled peer.
        server.reactor.rightNow += 30 * DAY
        server.shelves.uploads.expire()

        client.says(b"def")
        assert server.held() == [b"abcdef"]

    def test_a_broken_download_is_forgotten_too(self, server: Server) -> None:
        server.put("f", b"x" * MIB)
        client = server.connect()
        client.takes = 1000
        client.send(b"DOWNLOAD f\n")
        for _ in range(9):
            server.reactor.turn()
        client.reset()
        assert server.connect().asks(b"PENDING")[0] == "OK lines=1"

        server.pass_time(7 * DAY + 1)
        server.shelves.uploads.expire()

        assert server.connect().asks(b"PENDING") == ["OK lines=0"]
        assert server.files() == {"f": b"x" * MIB}


class TestRestarting:
    @pytest.mark.parametrize("how", ["restart", "kill"])
    def test_what_broke_before_is_gone_on_with(self, server: Server, how: str) -> None:
        begin(server, b"UPLOAD f 9\n", b"abc", hello=TOKEN).reset()
        begin(server, b"UPLOAD f 9\n", b"vwxyz").reset()
        getattr(server, how)()

        client = server.connect("192.0.2.77")
        client.says(TOKEN)
        assert client.asks(b"UPLOAD f 9")[0] == "OK offset=3 length=6 last=reset"
        client.says(b"defghi")
        assert server.files() == {"f": b"abcdefghi"}
        assert server.held() == [b"vwxyz"]

    @pytest.mark.parametrize("how", ["restart", "kill"])
    def test_what_was_going_on_is_gone_on_with(self, server: Server, how: str) -> None:
        size = 300 * 1024
        client = begin(server, b"UPLOAD f %d\n" % size, b"a" * 1000)
        client.says(b"b" * 1000)
        getattr(server, how)()

        again = server.connect()
        assert again.asks(b"UPLOAD f %d" % size)[0].startswith("OK offset=2000 ")
        again.says(b"c" * (size - 2000))
        assert server.files() == {"f": b"a" * 1000 + b"b" * 1000 + b"c" * (size - 2000)}

    def test_a_small_upload_that_a_kill_hit_leaves_nothing_behind(self, server: Server) -> None:
        begin(server, b"UPLOAD f 9\n", b"abc")
        server.kill()

        assert server.held() == []
        assert server.connect().asks(b"UPLOAD f 9") == ["OK offset=0 length=9"]

    def test_rows_without_files_and_files_without_rows_are_cleaned_up(self, server: Server) -> None:
        begin(server, b"UPLOAD f 9\n", b"abc").reset()
        begin(server, b"UPLOAD g 9\n", b"uvw").reset()
        [row] = [row for row in server.shelves.registry.all() if row.name == "f"]
        partial = server.root / ".filesrv" / "partial"
        for place in partial.glob(f"{row.id}*"):
            place.unlink()
        (partial / "nobodys").write_bytes(b"?")
        (partial / "nobodys.blocks").write_bytes(b"?")
        server.restart()

        assert [line.split()[4] for line in server.connect().asks(b"PENDING")[1:]] == ["g"]
        assert server.held() == [b"uvw"]
        assert len(list(partial.iterdir())) == 2

    def test_other_clients_come_and_go_without_touching_it(self, server: Server) -> None:
        begin(server, b"UPLOAD f 9\n", b"abc").reset()
        for number in range(2, 30):
            other = server.connect(f"192.0.2.{number}")
            other.says(b"UPLOAD f 5 0\nhelloUPLOAD f 9\nxx")
            other.reset()

        assert server.connect().asks(b"UPLOAD f 9")[0].startswith("OK offset=3 ")


def test_in_every_order_of_their_ends_bytes_of_two_uploads_stay_apart(server: Server) -> None:
    for number, order in enumerate(permutations(["first", "second", "replace"])):
        name = b"f%d" % number
        server.put(name.decode(), b"the old content")
        clients = {"first": server.connect("192.0.2.1"), "second": server.connect("192.0.2.2")}
        for key, client in clients.items():
            client.says(b"UPLOAD %b 20\n" % name, key[:1].encode() * 10)
        for key in order:
            if key == "replace":
                server.connect("192.0.2.3").says(b"UPLOAD %b 3 0\nnew" % name)
                assert server.files()[name.decode()] == b"new"
            else:
                clients[key].says(key[:1].encode() * 10)
                assert server.files()[name.decode()] == key[:1].encode() * 20
