"""Replies: written by the server, read by the client."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesrv.wire.errors import BY_CODE, BadOffset, FilesrvError, NotFound, Retry
from filesrv.wire.replies import MalformedReply, Reply, err, field_text, ok, parse_reply

KEYS = st.from_regex(r"[a-z][a-z0-9-]{0,12}", fullmatch=True)
VALUES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))
#: Words never start like a field; those of the server are sentences.
WORDS = st.from_regex(r"[A-Za-z][A-Za-z ,;:]{0,30}[a-z]", fullmatch=True)


class TestRoundTrip:
    @given(st.dictionaries(KEYS, VALUES, max_size=4), st.one_of(st.just(""), WORDS))
    def test_an_ok_line_reads_back_as_it_was_written(
        self, fields: dict[str, str], words: str
    ) -> None:
        assert parse_reply(ok(words, **fields)) == Reply(None, fields, words)

    @given(st.sampled_from(sorted(BY_CODE)), st.dictionaries(KEYS, VALUES, max_size=4), WORDS)
    def test_a_refusal_arrives_as_the_exception_that_was_raised(
        self, code: str, fields: dict[str, str], words: str
    ) -> None:
        error = parse_reply(err(BY_CODE[code](words, **fields))).error

        assert type(error) is BY_CODE[code]
        assert (error.words, error.fields) == (words, fields)

    @given(st.binary())
    def test_any_line_is_a_reply_or_malformed(self, line: bytes) -> None:
        try:
            reply = parse_reply(line)
        except MalformedReply:
            return
        assert isinstance(reply.error, FilesrvError | None)

    @given(st.text(), st.text())
    def test_a_reply_is_one_line_whatever_its_words_are(self, words: str, value: str) -> None:
        try:
            line = ok(words, stored=value)
        except UnicodeEncodeError:
            return
        assert not {b"\r"[0], b"\n"[0]} & set(line)


class TestWriting:
    def test_fields_come_first_then_words_for_people(self) -> None:
        assert ok("bye now", size=7, stored="a b") == b'OK size=7 stored="a b" bye now'
        assert ok() == b"OK"

    def test_a_field_that_is_none_is_left_out(self) -> None:
        assert ok(size=7, stored=None) == b"OK size=7"

    def test_underscores_stand_for_hyphens_and_for_words_of_python(self) -> None:
        assert field_text("blake3_4m", "00ff") == "blake3-4m=00ff"
        assert field_text("if_", "x") == "if=x"

    def test_a_refusal_has_its_code_its_fields_and_its_words(self) -> None:
        assert err(BadOffset("go on from there", stored=400)) == (
            b"ERR BAD_OFFSET stored=400 go on from there"
        )
        assert err(NotFound()) == b"ERR NOT_FOUND"


class TestReading:
    def test_fields_are_read_in_any_order_and_unknown_ones_are_kept_apart_from_words(self) -> None:
        reply = parse_reply(b'OK new=1 size=7 stored="a b" see also x=1')

        assert reply.fields == {"new": "1", "size": "7", "stored": "a b"}
        assert reply.words == "see also x=1"

    def test_words_may_hold_quotes_that_no_command_may(self) -> None:
        assert parse_reply(b'OK size=7 it is 5" wide').words == 'it is 5" wide'
        assert parse_reply(b'OK size=7 "open').words == '"open'

    def test_a_value_with_a_broken_quote_ends_the_fields(self) -> None:
        assert parse_reply(b'OK a=1 b="open') == Reply(None, {"a": "1"}, 'b="open')

    def test_ok_has_no_error(self) -> None:
        assert parse_reply(b"OK").error is None

    def test_a_refusal_without_words_has_those_of_its_class(self) -> None:
        error = parse_reply(b"ERR SHUTTING_DOWN").error

        assert error is not None
        assert error.words == "the server is stopping; what arrived is kept"

    def test_a_code_of_a_newer_server_is_a_refusal_not_worth_retrying(self) -> None:
        error = parse_reply(b"ERR TOO_PURPLE shade=7 choose another colour").error

        assert error is not None
        assert (error.code, error.retry, error.closes) == ("TOO_PURPLE", Retry.NO, False)
        assert (error.fields, error.words) == ({"shade": "7"}, "choose another colour")

    def test_fields_named_like_something_of_python_do_no_harm(self) -> None:
        error = parse_reply(b"ERR NOT_FOUND self=1 words=2 code=3 no such file").error

        assert error is not None
        assert error.fields == {"self": "1", "words": "2", "code": "3"}
        assert (error.code, error.words) == ("NOT_FOUND", "no such file")

    @pytest.mark.parametrize(
        "line", [b"", b"ok", b"OKAY", b"ERR", b"ERR ", b"ERROR X", b"220 ready", b" OK", b"\xff"]
    )
    def test_what_is_neither_ok_nor_err_is_malformed(self, line: bytes) -> None:
        with pytest.raises(MalformedReply):
            parse_reply(line)


class TestCounts:
    def test_a_field_that_is_a_number_is_counted(self) -> None:
        assert parse_reply(b"OK lines=12").count("lines") == 12

    @pytest.mark.parametrize(
        "line",
        [b"OK", b"OK lines=", b"OK lines=-1", "OK lines=٣".encode(), b"OK lines=1_0"]
        + [b"OK lines=" + b"9" * digits for digits in (20, 5000)],
    )
    def test_a_missing_or_a_strange_number_is_malformed(self, line: bytes) -> None:
        with pytest.raises(MalformedReply):
            parse_reply(line).count("lines")
