"""Lines: how commands and replies end, how long they may be, telnet, sending ahead."""

from __future__ import annotations

import re

import pytest

from filesrv.wire.grammar import MAX_LINE
from tests.support.memory import Server
from tests.support.scripted import Conversation, chunks

MIB = 1024 * 1024
HELP_LINE = re.compile(r"[A-Z]+( .*)? - .*")


class TestEndings:
    def test_who_connects_is_greeted_with_the_version_in_crlf(self, server: Server) -> None:
        client = server.connect()

        assert re.fullmatch(
            rb"OK filesrv \d+\.\d+\.\d+ ready; HELP lists the commands\r\n", client.received
        )

    def test_a_reply_ends_as_its_command_did(self, conversation: Conversation) -> None:
        conversation.check(
            b"ECHO unix\nECHO dos\r\nECHO unix again\nNONSENSE\r\nNONSENSE\n",
            b"unix\n",
            b"dos\r\n",
            b"unix again\n",
            b"ERR UNKNOWN_COMMAND HELP lists the commands\r\n",
            b"ERR UNKNOWN_COMMAND HELP lists the commands\n",
        )

    def test_every_line_of_a_long_reply_ends_as_the_command_did(
        self, conversation: Conversation
    ) -> None:
        conversation.check(b"HELP time\r\n", "OK lines=1", HELP_LINE, eol=b"\r\n", tail=False)
        conversation.check(b"HELP time\n", "OK lines=1", HELP_LINE)

    def test_both_replies_of_a_transfer_end_as_its_command_did_whatever_the_payload(
        self, conversation: Conversation
    ) -> None:
        conversation.check(
            b"UPLOAD f 4 0\r\na\nb\nDOWNLOAD f\r\n",
            "OK offset=0 length=4",
            "OK stored=f size=4 received=4",
            "OK offset=0 length=4 size=4 version=* modified=*",
            b"a\nb\n",
            "OK sent=4",
            eol=b"\r\n",
        )
        conversation.check(
            b"UPLOAD f 4 0\na\r\nbDOWNLOAD f\n",
            "OK offset=0 length=4",
            "OK stored=f size=4 received=4",
            "OK offset=0 length=4 size=4 version=* modified=*",
            b"a\r\nb",
            "OK sent=4",
        )

    def test_only_one_cr_is_part_of_the_line_ending(self, conversation: Conversation) -> None:
        conversation.check(b"ECHO a\r\r\nECHO b\rc\n", b"a\r\r\n", b"b\rc\n")

    @pytest.mark.parametrize("empty", [b"\n", b"\r\n", b"  \n", b"\t \r\n", b"\n\n\n\r\n"])
    def test_an_empty_line_is_not_answered(self, conversation: Conversation, empty: bytes) -> None:
        conversation.check(empty + b"ECHO a\n" + empty, b"a\n")

    def test_half_a_line_is_no_command(self, conversation: Conversation) -> None:
        conversation.check(b"ECHO a\nDELETE", b"a\n", half_close=True, tail=False)


class TestLength:
    @pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
    def test_a_line_of_4096_bytes_is_taken(self, conversation: Conversation, eol: bytes) -> None:
        text = b"x" * (MAX_LINE - len(b"ECHO "))

        conversation.check(b"ECHO " + text + eol, text + eol)

    @pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
    @pytest.mark.parametrize("over", [1, 2, 3, 5000])
    def test_a_longer_line_is_refused_once_and_none_of_it_is_executed(
        self, conversation: Conversation, eol: bytes, over: int
    ) -> None:
        # Whatever piece of it was taken for a line would echo something.
        text = b"ECHO y " * MAX_LINE
        line = b"ECHO " + text[: MAX_LINE - len(b"ECHO ") + over]

        conversation.check(
            line + eol + b"ECHO after" + eol,
            "ERR LINE_TOO_LONG",
            b"after" + eol,
            eol=eol,
        )

    def test_two_lines_too_long_are_refused_one_by_one(self, conversation: Conversation) -> None:
        long = b"z" * 5000 + b"\n"

        conversation.check(
            long + long + b"ECHO a\n" + long,
            *["ERR LINE_TOO_LONG"] * 2,
            "a",
            "ERR LINE_TOO_LONG",
        )

    def test_commands_behind_a_line_too_long_are_answered_as_they_end(
        self, conversation: Conversation
    ) -> None:
        conversation.check(
            b"z" * 9000 + b"\r\nECHO a\nECHO b\r\n",
            b"ERR LINE_TOO_LONG a command has at most 4096 bytes\r\n",
            b"a\n",
            b"b\r\n",
        )

    def test_a_line_of_up_to_1_mib_is_only_refused(self, conversation: Conversation) -> None:
        conversation.check(b"z" * MIB + b"\nECHO still here\n", "ERR LINE_TOO_LONG", "still here")

    def test_more_than_1_mib_without_an_lf_is_refused_and_the_connection_closed(
        self, conversation: Conversation
    ) -> None:
        conversation.check(
            b"z" * (MIB + 9 * 4099) + b"\nECHO not answered\n",
            "ERR LINE_TOO_LONG",
            eol=b"\r\n",
            closes=True,
        )

    def test_many_lines_in_one_read_take_no_time_that_grows_with_its_square(
        self, server: Server
    ) -> None:
        client = server.connect()
        client.takes = 1 << 30

        # 1 MiB of short lines: minutes if each were split off a copy of all the rest.
        count = MIB // len(b"ECHO\n")
        assert client.says(b"ECHO\n" * count) == b"\n" * count


class TestTelnet:
    def test_negotiation_is_taken_out_of_lines_and_not_answered(
        self, conversation: Conversation
    ) -> None:
        conversation.check(
            b"\xff\xfd\x03\xff\xfb\x18\xff\xfb\x1fECHO a\r\n\xff\xf4ECHO b\r\n",
            b"a\r\nb\r\n",
        )

    def test_a_timing_mark_is_answered_before_the_line_as_ctrl_c_waits_for_it(
        self, conversation: Conversation
    ) -> None:
        conversation.check(
            b"ECHO a\r\n\xff\xf4\xff\xfd\x06ECHO b\r\n\xff\xfd\x06\r\n",
            b"a\r\n\xff\xfc\x06b\r\n\xff\xfc\x06",
        )

    def test_a_subnegotiation_that_holds_an_lf_reaches_into_the_next_line(
        self, conversation: Conversation
    ) -> None:
        # A window of 80 by 10: the 10 is an LF.
        conversation.check(b"\xff\xfa\x1f\x00\x50\x00\n\xff\xf0ECHO a\r\n", b"a\r\n")

    def test_a_line_of_negotiation_alone_is_empty(self, conversation: Conversation) -> None:
        conversation.check(b"\xff\xfb\x18\r\n\xff\xf1\nECHO a\n", b"a\n")

    def test_a_doubled_0xff_is_one_byte_of_text(self, conversation: Conversation) -> None:
        conversation.check(b"ECHO \xff\xff\n", b"\xff\n")

    def test_in_a_payload_every_byte_is_payload(self, conversation: Conversation) -> None:
        payload = b"\xff\xf4\xff\xfd\x06\xff\xfa\n\xff\xf0\xff\xff"

        conversation.check(
            b"UPLOAD f %d 0\n%bECHO a\n" % (len(payload), payload),
            f"OK offset=0 length={len(payload)}",
            f"OK stored=f size={len(payload)} received={len(payload)}",
            "a",
            files={"f": payload},
        )

    def test_an_open_subnegotiation_before_a_payload_costs_none_of_it(
        self, conversation: Conversation
    ) -> None:
        conversation.check(
            b"UPLOAD f 3 0\xff\xfa\x1f\nabc\xff\xf0ECHO a\n",
            "OK offset=0 length=3",
            "OK stored=f size=3 received=3",
            "a",
            files={"f": b"abc"},
        )


class TestSendingAhead:
    def test_commands_are_answered_in_their_order(self, conversation: Conversation) -> None:
        conversation.prepare = lambda server: server.put("f", b"content")
        conversation.check(
            b"ECHO 1\nLIST\nHELP time\nHASH f\nECHO 2\n"
            b"DOWNLOAD f\nSTAT f\nDELETE f\nECHO 3\nLIST\n",
            "1",
            "OK lines=1",
            re.compile(r"7 \S+Z f"),
            "OK lines=1",
            HELP_LINE,
            re.compile(r"OK sha256=[0-9a-f]{64} size=7"),
            "2",
            "OK offset=0 length=7 size=7 version=* modified=*",
            b"content",
            "OK sent=7",
            "OK size=7 modified=* version=*",
            "OK",
            "3",
            "OK lines=0",
            files={},
        )

    def test_what_is_sent_behind_a_goodbye_is_not_executed(
        self, conversation: Conversation
    ) -> None:
        conversation.check(
            b"ECHO a\nQUIT\nECHO b\nUPLOAD f 1 0\nxDELETE f\n", "a", "OK bye", closes=True, files={}
        )

    def test_a_thousand_commands_at_once_are_answered(self, server: Server) -> None:
        client = server.connect()

        answers = client.says(b"".join(b"HELP time\nECHO %d\n" % n for n in range(1000)))

        assert answers.splitlines()[2::3] == [b"%d" % n for n in range(1000)]


class TestHalfClosing:
    def test_who_only_sends_an_end_is_sent_one(self, conversation: Conversation) -> None:
        conversation.check(b"\n", half_close=True, tail=False)

    def test_all_that_was_asked_is_answered_before_the_connection_is_closed(
        self, conversation: Conversation
    ) -> None:
        conversation.prepare = lambda server: server.put("f", b"content")
        conversation.check(
            b"ECHO a\nHASH f\nLIST\nDOWNLOAD f\n",
            "a",
            re.compile(r"OK sha256=.*"),
            "OK lines=1",
            re.compile(r"7 \S+ f"),
            "OK offset=0 length=7 size=7 version=* modified=*",
            b"content",
            "OK sent=7",
            half_close=True,
        )

    def test_an_upload_is_stored_before_the_connection_is_closed(
        self, conversation: Conversation
    ) -> None:
        conversation.check(
            b"UPLOAD f 5 0\nhello",
            "OK offset=0 length=5",
            "OK stored=f size=5 received=5",
            half_close=True,
            tail=False,
            files={"f": b"hello"},
        )

    def test_every_byte_is_sent_to_a_reader_that_has_closed_its_half_and_is_slow(
        self, server: Server
    ) -> None:
        content = bytes(range(256)) * 4096
        server.put("f", content)
        client = server.connect()
        client.takes = 0
        client.send(b"DOWNLOAD f\nECHO done\n")
        client.half_close()
        server.settle()
        assert not client.end_seen

        client.takes = 7001
        server.settle()

        assert content in client.new()
        assert client.received.endswith(b"done\n")
        assert client.closed

    def test_an_end_in_the_middle_of_a_line_too_long_closes(
        self, conversation: Conversation
    ) -> None:
        conversation.check(
            b"ECHO a\n" + b"z" * 9000, "a", "ERR LINE_TOO_LONG", half_close=True, tail=False
        )

    def test_an_end_in_the_middle_of_a_skipped_payload_closes(
        self, conversation: Conversation
    ) -> None:
        conversation.check(
            b"UPLOAD ../f 900 0\nabc", "ERR BAD_NAME", half_close=True, tail=False, files={}
        )

    def test_who_says_goodbye_and_closes_is_gone(self, conversation: Conversation) -> None:
        conversation.check(b"QUIT\n", "OK bye", half_close=True, closes=True, tail=False)

    def test_who_says_goodbye_and_stays_is_disconnected_after_a_while(self, server: Server) -> None:
        client = server.connect()
        assert client.says(b"QUIT\r\n") == b"OK bye\r\n"

        closed = [client.closed]
        client.send(*chunks(b"ECHO more\r\n" * 1000, 512))
        for seconds in (1.9, 0.2):
            server.pass_time(seconds)
            closed.append(client.closed)

        assert client.end_seen
        assert closed == [False, False, True]
        assert client.new() == b""


def test_a_long_reply_is_made_between_those_to_others(server: Server) -> None:
    many, one = server.connect(), server.connect()
    server.reactor.ticks = 0.003
    many.send(b"HELP\n")
    one.send(b"ECHO a\n")

    server.reactor.turn()
    server.reactor.turn()
    assert one.new() == b"a\n"
    assert many.new() == b""

    server.settle()
    assert many.new().count(b"\n") > 10


def test_commands_sent_ahead_are_answered_between_those_to_others(server: Server) -> None:
    many, one = server.connect(), server.connect()
    server.reactor.ticks = 0.001
    many.send(b"".join(b"ECHO %d\n" % number for number in range(1000)))

    answers = b""
    for _ in range(20):
        one.send(b"ECHO a\n")
        server.reactor.turn()
        assert one.new() == b"a\n"
        now = many.new()
        assert 1 <= now.count(b"\n") <= 6
        answers += now
    server.settle()

    assert (answers + many.new()).split() == [b"%d" % number for number in range(1000)]
    server.reactor.ticks = 0.0


def test_a_payload_that_goes_on_in_the_next_read_is_never_taken_for_commands(
    server: Server,
) -> None:
    client = server.connect()
    server.reactor.ticks = 0.001
    # 3 KiB each, so that reads of 64 KiB end within one; and its lines would be commands.
    payload = b"ECHO no\n" * 384
    names = [b"f%d" % number for number in range(200)]
    client.send(b"".join(b"UPLOAD %s %d 0\n%s" % (name, len(payload), payload) for name in names))
    server.settle()
    server.reactor.ticks = 0.0

    assert client.received.count(b"OK stored=") == len(names)
    assert b"no\n" not in client.received
    assert server.files() == {name.decode(): payload for name in names}


@pytest.mark.parametrize("end", ["half_close", "reset"])
def test_who_ends_between_two_turns_is_answered_or_gone(server: Server, end: str) -> None:
    client = server.connect()
    server.reactor.ticks = 0.001
    client.send(b"ECHO a\n" * 1000)
    server.reactor.turn()
    getattr(client, end)()
    server.settle()

    assert client.closed
    assert (client.received.count(b"a\n") == 1000) == (end == "half_close")
    server.reactor.ticks = 0.0


def test_of_a_read_no_more_is_kept_than_the_line_that_has_not_ended(server: Server) -> None:
    client = server.connect()

    client.says(b"\n" * 60_000 + b"ECHO the half of a li")

    assert client.protocol._buffer == b"ECHO the half of a li"
