"""What telnet says for itself, taken out of lines."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesrv.wire.telnet import strip_telnet, timing_marks

IP, DO, WILL, TIMING_MARK = b"\xff\xf4", b"\xff\xfd", b"\xff\xfb", b"\x06"
SB, SE = b"\xff\xfa", b"\xff\xf0"


def lines(*received: bytes) -> list[bytes]:
    """What is left of lines that follow each other."""
    left = []
    inside = False
    for line in received:
        text, inside = strip_telnet(line, inside)
        left.append(text)
    return left


@given(st.binary().filter(lambda line: b"\xff" not in line))
def test_a_line_without_0xff_is_left_as_it_is(line: bytes) -> None:
    assert strip_telnet(line) == (line, False)


@pytest.mark.parametrize(
    ("line", "left"),
    [
        pytest.param(IP + DO + TIMING_MARK + b"TIME", b"TIME", id="what Ctrl-C sends"),
        pytest.param(b"TI" + b"\xff\xf1" + b"ME", b"TIME", id="NOP inside a word"),
        pytest.param(WILL + b"\x1f" + DO + b"\x01" + b"TIME", b"TIME", id="WILL and DO"),
        pytest.param(b"\xff\xfc\x01\xff\xfe\x03TIME", b"TIME", id="WONT and DONT"),
        pytest.param(WILL + b"\xff" + b"TIME", b"TIME", id="an option of 255"),
        pytest.param(b"ECHO \xff\xff", b"ECHO \xff", id="a doubled 0xFF"),
        pytest.param(b"ECHO \xff\xff\xff\xff", b"ECHO \xff\xff", id="two of them"),
        pytest.param(b"ECHO \xffa", b"ECHO a", id="0xFF before a letter"),
        pytest.param(b"TIME\xff", b"TIME", id="0xFF at the end"),
        pytest.param(b"TIME" + DO, b"TIME", id="DO at the end"),
        pytest.param(SB + b"\x18\x00xterm" + SE + b"TIME", b"TIME", id="a subnegotiation"),
        pytest.param(
            SB + b"a\xff\xff\xf0b" + SE + b"TIME", b"TIME", id="with 0xFF 0xFF 0xF0 in it"
        ),
        pytest.param(SB + SE + SB + b"x" + SE + b"TIME", b"TIME", id="two subnegotiations"),
        pytest.param(SE + b"TIME", b"TIME", id="an end without a start"),
    ],
)
def test_a_command_of_telnet_is_taken_out(line: bytes, left: bytes) -> None:
    assert strip_telnet(line) == (left, False)


@pytest.mark.parametrize("start", [b"", b"\x1f\x00\x50\x00", b"a\xff\xff", b"a\xff\xf1", b"a\xff"])
def test_a_line_says_that_a_subnegotiation_is_open(start: bytes) -> None:
    assert strip_telnet(b"TIME" + SB + start) == (b"TIME", True)


def test_a_subnegotiation_that_holds_an_lf_is_cut_from_both_lines() -> None:
    # A window of 80 by 10: the 10 is an LF.
    first, second = (SB + b"\x1f\x00\x50\x00\n" + SE + b"TIME").split(b"\n")

    assert lines(first, second) == [b"", b"TIME"]


def test_a_subnegotiation_that_is_never_ended_costs_one_line_at_most() -> None:
    assert lines(b"ECHO a" + SB + b"xyz", b"TIME", b"TIME") == [b"ECHO a", b"TIME", b"TIME"]


def test_an_open_subnegotiation_may_be_followed_by_another() -> None:
    assert lines(SB + b"x", b"y" + SE + b"TI" + SB + b"x", SE + b"ME") == [b"", b"TI", b"ME"]


def test_a_doubled_0xff_before_0xfa_opens_nothing() -> None:
    assert strip_telnet(b"ECHO \xff\xff\xfax") == (b"ECHO \xff\xfax", False)
    assert lines(b"ECHO \xff\xff\xfa", b"ECHO a\xff\xf0b") == [b"ECHO \xff\xfa", b"ECHO ab"]


@given(st.binary(), st.booleans())
def test_nothing_is_ever_added(line: bytes, inside: bool) -> None:
    left, _ = strip_telnet(line, inside)
    rest = iter(line)

    assert all(byte in rest for byte in left)


@given(st.binary(), st.binary().filter(lambda tail: b"\xff" not in tail))
def test_an_escaped_payload_comes_out_whole(text: bytes, tail: bytes) -> None:
    assert strip_telnet(text.replace(b"\xff", b"\xff\xff") + tail) == (text + tail, False)


def test_a_line_of_nothing_but_openings_is_read_in_no_time() -> None:
    # One search from every opening made this 20 times as long as it is.
    line = SB * 2047 + SE
    started = time.process_time()
    for _ in range(10):
        strip_telnet(line)

    assert time.process_time() - started < 0.2


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"TIME", b""),
        (IP + DO + TIMING_MARK + b"TIME", b"\xff\xfc\x06"),
        (DO + TIMING_MARK + b"TI" + DO + TIMING_MARK + b"ME", b"\xff\xfc\x06" * 2),
        (DO + b"\x01" + WILL + TIMING_MARK, b""),
        (b"\xff\xff\xfd\x06", b""),
        (SB + b"\xff\xfd\x06" + SE, b""),
    ],
)
def test_each_timing_mark_that_is_asked_for_is_refused(line: bytes, answer: bytes) -> None:
    assert timing_marks(line) == answer
