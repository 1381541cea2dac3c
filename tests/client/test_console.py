"""What reaches a terminal, and what does not."""

from __future__ import annotations

import io
import json
import os

import pytest

from filesrv.client.console import Console, printable


@pytest.mark.parametrize("text", ["plain", "ünïcödé 日本 😀", "quo\"te's", "[bold]x[/]", "a  b"])
def test_what_can_be_shown_is_shown_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x07\x00\x7f", r"\x07\x00\x7f"),
        ("\x9b31m", r"\x9b31m"),
        ("txt.\u202egpj", r"txt.\u202egpj"),
        ("a\u2028b", r"a\u2028b"),
        ("\udc80", r"\udc80"),
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_every_way_of_saying_something_escapes_it() -> None:
    out, err = io.StringIO(), io.StringIO()
    console = Console(stdout=out, stderr=err)

    console.line("\x1b[2J")
    console.error("\x1b[2J")
    console.note("\x1b[2J")
    console.json({"name": "\x1b[2J\u202e"})

    assert "\x1b" not in out.getvalue() + err.getvalue()
    assert json.loads(out.getvalue().splitlines()[1]) == {"name": "\x1b[2J\u202e"}


def test_quiet_leaves_errors() -> None:
    err = io.StringIO()
    console = Console(stdout=io.StringIO(), stderr=err, quiet=True)

    console.note("interesting")
    console.error("wrong")

    assert err.getvalue() == "filesrv: wrong\n"


def test_a_terminal_without_unicode_gets_escapes() -> None:
    raw = io.BytesIO()
    console = Console(stdout=io.TextIOWrapper(raw, encoding="ascii"), stderr=io.StringIO())

    console.line("日本")

    assert raw.getvalue() == b"\\u65e5\\u672c\n"


def test_python_does_not_complain_of_a_pipe_that_nobody_reads() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = open(writer, "w")  # noqa: SIM115
    console = Console(stdout=stream, stderr=io.StringIO())
    with pytest.raises(BrokenPipeError):
        console.line("x")

    console.let_go()

    stream.close()  # would raise
