"""Commands: from bytes, to bytes, and what is refused in between."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesrv.wire.errors import BadArguments
from filesrv.wire.grammar import (
    Command,
    Quoted,
    Syntax,
    Word,
    format_command,
    format_word,
    number,
    split_verb,
    words,
)

UPLOAD = Syntax(
    required=("name", "size"), optional=("offset",), options=("if-absent", "commit", "modified")
)
BARE = Syntax(bare=True)
NOTHING = Syntax()

#: Anything that one line can carry.
TEXTS = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))
#: What a person might get wrong: many blanks, quotes and backslashes.
FUMBLED = st.text(alphabet='ab=\\" \t\u00a0é', max_size=40)


@pytest.fixture
def impatience() -> Iterator[None]:
    """A parser that goes round in circles fails its test, and does not hold all others up."""

    def too_long(_signal: int, _frame: FrameType | None) -> None:
        raise AssertionError("the parser does not come to an end")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, 2)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


class TestVerbs:
    @pytest.mark.parametrize("line", [b"time", b"TIME", b"TiMe", b"TIME ", b"  time", b"\ttime\t"])
    def test_the_case_of_a_verb_and_blanks_around_it_do_not_matter(self, line: bytes) -> None:
        verb, text = split_verb(line)

        assert verb == "TIME"
        assert NOTHING.bind(verb, text).arguments == ()

    @pytest.mark.parametrize("line", [b"", b" ", b"\t", b" \t  "])
    def test_a_line_of_blanks_has_no_verb(self, line: bytes) -> None:
        assert split_verb(line) == ("", b"")

    def test_a_tab_ends_a_verb_as_a_blank_does(self) -> None:
        assert split_verb(b"ECHO\thello you") == ("ECHO", b"hello you")
        assert split_verb(b"ECHO hello\tyou") == ("ECHO", b"hello\tyou")

    @given(st.binary())
    def test_every_byte_after_the_one_blank_is_text(self, text: bytes) -> None:
        verb, rest = split_verb(b"echo " + text)

        assert (verb, BARE.bind(verb, rest).text) == ("ECHO", text)

    @given(st.binary())
    def test_any_line_has_a_verb_that_is_printable_or_unknown(self, line: bytes) -> None:
        verb, _ = split_verb(line)

        assert verb == verb.upper()
        assert " " not in verb
        assert "\t" not in verb

    @pytest.mark.parametrize("verb", ["ſtat", "lıst", "tıme"])
    def test_letters_that_only_look_like_a_verb_in_capitals_are_none(self, verb: str) -> None:
        assert split_verb(verb.encode())[0] not in ("STAT", "LIST", "TIME")


class TestWords:
    def test_words_are_separated_by_any_number_of_blanks_and_tabs(self) -> None:
        assert [word.text for word in words(b"  a\t b   c \t")] == ["a", "b", "c"]

    def test_quotes_hold_blanks_quotes_and_backslashes(self) -> None:
        assert list(words(rb'"a b" "say \"hi\"" "back\\slash" ""')) == [
            Word(None, "a b", quoted=True),
            Word(None, 'say "hi"', quoted=True),
            Word(None, "back\\slash", quoted=True),
            Word(None, "", quoted=True),
        ]

    def test_a_backslash_outside_quotes_is_itself(self) -> None:
        assert list(words(rb"a\b")) == [Word(None, "a\\b", quoted=False)]

    def test_an_option_may_have_a_quoted_value_or_an_empty_one(self) -> None:
        assert list(words(b'key="a b" other=x empty=')) == [
            Word("key", "a b", quoted=True),
            Word("other", "x", quoted=False),
            Word("empty", "", quoted=False),
        ]

    def test_what_stands_in_quotes_is_never_an_option(self) -> None:
        assert list(words(b'"key=value"')) == [Word(None, "key=value", quoted=True)]

    @pytest.mark.parametrize("text", [b"Key=x", b"kEy=x", b"9=x", b"a_b=x", b"=x", b"a.b=x"])
    def test_a_key_is_of_small_letters_digits_and_hyphens(self, text: bytes) -> None:
        assert list(words(text)) == [Word(None, text.decode(), quoted=False)]

    @pytest.mark.parametrize(
        "text",
        [
            b'"open',
            b'name  "open',
            b'name \t "open',
            b'"open\\"',
            b'a"b',
            b'x   a"b',
            b'"a"b',
            b'"a""b"',
            b'key="open',
            b'x key="a"b',
            b'"bad \\escape"',
            b'"',
            b'x "',
            b' "',
        ],
    )
    @pytest.mark.usefixtures("impatience")
    def test_a_quote_that_is_open_or_inside_a_word_is_refused(self, text: bytes) -> None:
        with pytest.raises(BadArguments):
            list(words(text))

    @given(st.one_of(FUMBLED, st.text()))
    def test_any_text_is_either_words_or_refused(self, text: str) -> None:
        try:
            found = list(words(text.encode("utf-8", "surrogateescape")))
        except (BadArguments, UnicodeEncodeError):
            return
        assert all(word.text or word.quoted or word.key for word in found)

    @given(st.binary())
    def test_any_bytes_are_either_words_or_refused(self, text: bytes) -> None:
        try:
            found = list(words(text))
        except BadArguments:
            return
        assert len(found) <= len(text)

    @pytest.mark.usefixtures("impatience")
    def test_a_line_as_long_as_may_be_is_read_in_no_time(self) -> None:
        for text in (b" " * 4095 + b'"', b'"' + b"\\\\" * 2047, b"a=" * 2047 + b'"', b'\\"' * 2048):
            with pytest.raises(BadArguments):
                list(words(text))

    @given(TEXTS)
    def test_a_formatted_word_reads_back_as_it_was(self, text: str) -> None:
        assert [word.positional for word in words(format_word(text).encode())] == [text]

    def test_a_plain_word_needs_no_quotes(self) -> None:
        assert format_word("report-2026.pdf") == "report-2026.pdf"
        assert format_word("my report.pdf") == '"my report.pdf"'


class TestBinding:
    def test_arguments_and_options_find_their_places(self) -> None:
        command = UPLOAD.bind("UPLOAD", b'"my file" 10 0 if-absent=yes')

        assert command.arguments == ("my file", "10", "0")
        assert command.options == {"if-absent": "yes"}
        assert command.argument(2) == "0"

    def test_an_argument_that_was_left_out_is_none(self) -> None:
        assert UPLOAD.bind("UPLOAD", b"f 10").argument(2) is None

    def test_options_may_stand_before_an_optional_argument(self) -> None:
        command = UPLOAD.bind("UPLOAD", b"f 10 if-absent=yes 5")

        assert (command.argument(2), command.options) == ("5", {"if-absent": "yes"})

    def test_a_required_name_may_look_like_an_option(self) -> None:
        assert UPLOAD.bind("UPLOAD", b"if-absent=yes 10").arguments == ("if-absent=yes", "10")

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"f",
            b"f 10 0 more",
            b"f 10 unknown=1",
            b"f 10 if-absent=yes if-absent=yes",
            b'f 10 "if-absent=yes" 3',
            b"f 10 0 IF-ABSENT=yes",
        ],
    )
    def test_too_few_too_many_and_unknown_words_are_refused_with_the_usage(
        self, text: bytes
    ) -> None:
        with pytest.raises(BadArguments, match=r"^usage: UPLOAD name size \[offset\] \[if-absent="):
            UPLOAD.bind("UPLOAD", text)

    def test_a_verb_without_arguments_refuses_some(self) -> None:
        with pytest.raises(BadArguments, match=r"usage: TIME$"):
            NOTHING.bind("TIME", b"now")

    def test_a_bare_verb_takes_broken_quotes_as_they_come(self) -> None:
        assert BARE.bind("ECHO", b' "a  b').text == b' "a  b'


class TestFormatting:
    @given(
        st.lists(TEXTS, min_size=2, max_size=3),
        st.dictionaries(st.sampled_from(["if_absent", "commit", "modified"]), TEXTS),
    )
    def test_a_command_reads_back_as_it_was_formatted(
        self, arguments: list[str], options: dict[str, str]
    ) -> None:
        line = format_command("UPLOAD", *arguments, **options)
        verb, text = split_verb(line)

        assert b"\n" not in line
        assert not line.endswith(b"\r")
        assert UPLOAD.bind(verb, text) == Command(
            "UPLOAD",
            tuple(arguments),
            {key.replace("_", "-"): value for key, value in options.items()},
            text,
        )

    @given(st.binary(min_size=1).filter(lambda name: b"\n" not in name))
    def test_a_name_of_the_disk_that_is_not_utf8_arrives_byte_by_byte(self, name: bytes) -> None:
        line = format_command("STAT", name.decode("utf-8", "surrogateescape"))
        [word] = words(split_verb(line)[1])

        assert word.positional.encode("utf-8", "surrogateescape") == name

    def test_a_cr_at_the_end_of_a_word_is_not_taken_for_a_line_ending(self) -> None:
        assert format_command("STAT", "a\r") == b'STAT "a\r"'

    def test_an_option_that_is_none_is_left_out(self) -> None:
        line = format_command("DOWNLOAD", "f", 400, if_="9f3c-1000", other=None)

        assert line == b"DOWNLOAD f 400 if=9f3c-1000"

    @pytest.mark.parametrize("name", ["a\nDELETE b", "a\r\nDELETE b", "\n"])
    def test_a_word_cannot_smuggle_a_second_command(self, name: str) -> None:
        with pytest.raises(BadArguments):
            format_command("STAT", name)


class TestNumbers:
    @given(st.integers(0, 10**19 - 1))
    def test_up_to_nineteen_digits_are_a_number(self, value: int) -> None:
        assert number(str(value)) == value

    def test_zeros_in_front_do_no_harm(self) -> None:
        assert number("0000000000000000007") == 7

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "-1",
            "+5",
            "1_000",
            " 7 ",
            "7 ",
            "7\n",
            "\t7",
            "1.0",
            "1e3",
            "0x10",
            "٣",
            "１",
            "²",
            "1" * 20,
            "1" * 5000,
            "seven",
        ],
    )
    def test_what_int_would_take_and_the_wire_does_not_is_refused(self, text: str) -> None:
        with pytest.raises(BadArguments):
            number(text)


@pytest.mark.parametrize("text", ["plain", "with a blank", 'say "hi"', ""])
def test_a_quoted_text_is_a_word_when_formatted_and_itself_otherwise(text: str) -> None:
    assert f"{Quoted(text)}" == format_word(text)
    assert Quoted(text) == text
