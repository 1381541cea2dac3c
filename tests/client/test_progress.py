"""What a person sees of transfers."""

from __future__ import annotations

import io
import json
import re
import threading
from typing import Any

import pytest
from twisted.internet.task import Clock

from filesrv.client.console import Console
from filesrv.client.lines import Lines, clock_time, summary_line
from filesrv.client.progress import Bar
from filesrv.client.recovery import Trouble
from filesrv.client.report import Journey, Summary
from filesrv.wire.errors import NotFound

MIB = 1024 * 1024


class Screen(io.StringIO):
    """A terminal, as far as anybody asks."""

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.getvalue())

    @property
    def picture(self) -> str:
        """What was drawn last."""
        return self.text.replace("\r", "\n").rstrip().splitlines()[-1]


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")


class Shown:
    def __init__(self, **more: Any) -> None:
        self.clock = Clock()
        self.out, self.screen = io.StringIO(), Screen()
        self.console = Console(io.StringIO(), self.out, self.screen)
        self.bar = Bar(self.clock, self.console, "ask", **more)

    def journey(self, name: str = "report.pdf", size: int = 100 * MIB) -> Journey:
        journey = Journey(self.clock, name, size, self.bar, lambda: None)
        journey.at(0)
        return journey


def test_the_final_line_has_size_seconds_and_bitrate() -> None:
    assert summary_line(Summary("report.pdf", 1000, 1000, 0.004)) == (
        "report.pdf  1000 bytes in 0.004 s, 2.0Mbit/s"
    )
    assert summary_line(Summary("report.pdf", 1000, 600, 0.004)) == (
        "report.pdf  1000 bytes, 600 of them now, in 0.004 s, 1.2Mbit/s"
    )
    assert summary_line(Summary("empty", 0, 0, 0.0)) == "empty  0 bytes in 0.000 s, 0bit/s"


def test_the_bar_shows_name_share_bytes_rate_and_time_left() -> None:
    shown = Shown()
    journey = shown.journey()

    for tenth in range(1, 101):
        shown.clock.advance(0.1)
        journey.at(tenth * MIB // 10)
    shown.clock.advance(0.1)

    picture = shown.screen.picture
    assert "report.pdf" in picture
    assert "10%" in picture
    assert "10.0 MiB" in picture
    assert re.search(r" (1\.0 MiB|10\d\d\.\d KiB)/s", picture)
    assert re.search(r" 1:(2[5-9]|3[0-5])", picture)
    shown.bar.close()


def test_no_thread_draws_it() -> None:
    before = threading.active_count()
    shown = Shown()
    shown.journey()
    shown.clock.advance(1)

    assert threading.active_count() == before
    shown.bar.close()
    assert shown.clock.getDelayedCalls() == []


def test_several_files_are_counted() -> None:
    shown = Shown()
    shown.bar.expect(3, 300)
    for name in ("a", "b"):
        journey = shown.journey(name, 100)
        journey.at(100)
        shown.bar.done(journey.summary())
    shown.journey("c", 100).at(50)
    shown.clock.advance(0.1)

    assert "3/3 c" in shown.screen.picture
    assert "83%" in shown.screen.picture
    shown.bar.close()


def test_trouble_says_how_often_it_was_tried_and_when_it_will_ask() -> None:
    shown = Shown()
    shown.journey().at(10 * MIB)

    shown.bar.trouble(Trouble(2, NotFound(), 90.0))

    assert f"reconnecting (2), will ask at {clock_time(90.0)}" in shown.screen.picture
    assert "10%" in shown.screen.picture
    shown.bar.trouble(None)
    shown.clock.advance(0.1)
    assert "reconnecting" not in shown.screen.picture
    shown.bar.close()


def test_trouble_on_a_connection_that_stands_is_not_called_reconnecting() -> None:
    shown = Shown()
    shown.journey()

    shown.bar.trouble(Trouble(0, None, 90.0))

    assert "nothing moves, will ask at" in shown.screen.picture
    shown.bar.close()


def test_names_are_shown_safely_whatever_they_are() -> None:
    shown = Shown()
    journey = shown.journey("[bold]x[/bold]\x1b[2J\u202e")
    shown.clock.advance(0.1)
    assert r"[bold]x[/bold]\x1b[2J\u202e" in shown.screen.picture

    shown.bar.failed("[red]\x1b[2J", NotFound("[link=x]"))
    shown.bar.done(journey.summary())

    assert r"[red]\x1b[2J: refused: [link=x]" in shown.screen.text
    assert "\x1b[2J" not in shown.screen.getvalue()
    shown.bar.close()


def test_a_long_name_leaves_room_for_the_numbers() -> None:
    shown = Shown()
    shown.journey("x" * 300 + ".tar")
    shown.clock.advance(0.1)

    assert "x.tar" in shown.screen.picture
    assert "0%" in shown.screen.picture
    shown.bar.close()


def test_the_final_lines_go_to_stdout_where_that_is_no_terminal() -> None:
    shown = Shown()

    shown.bar.done(Summary("f", 10, 10, 1.0))
    shown.bar.close()

    assert shown.out.getvalue() == "f  10 bytes in 1.000 s, 80bit/s\n"


def test_where_stdout_is_the_file_they_go_to_stderr() -> None:
    out, err = io.StringIO(), io.StringIO()
    lines = Lines(Console(io.StringIO(), out, err), "stop", lines_to_stderr=True)

    lines.done(Summary("f", 10, 10, 1.0))

    assert out.getvalue() == ""
    assert err.getvalue() == "f  10 bytes in 1.000 s, 80bit/s\n"


def test_without_a_terminal_trouble_is_said_once_and_its_end_once() -> None:
    err = io.StringIO()
    lines = Lines(Console(io.StringIO(), io.StringIO(), err), "stop")

    for attempt in range(1, 5):
        lines.trouble(Trouble(attempt, NotFound("gone"), 90.0))
    lines.trouble(None)
    lines.trouble(None)

    first, second = err.getvalue().splitlines()
    assert first == (
        f"filesrv: the server says: gone; trying again, will stop at {clock_time(90.0)}"
    )
    assert second == "filesrv: going on"


def test_a_standstill_is_not_called_trying_again() -> None:
    err = io.StringIO()
    lines = Lines(Console(io.StringIO(), io.StringIO(), err), "stop")

    lines.trouble(Trouble(0, None, 90.0))

    assert err.getvalue() == (
        f"filesrv: nothing moves, though the connection stands, will stop at {clock_time(90.0)}\n"
    )


def test_json_is_one_object_for_each_file() -> None:
    out, err = io.StringIO(), io.StringIO()
    lines = Lines(Console(io.StringIO(), out, err, as_json=True), "stop")

    lines.done(Summary("f\x1b", 10, 4, 2.0))
    lines.failed("g", NotFound("no g"))

    done, failed = map(json.loads, out.getvalue().splitlines())
    assert done == {"name": "f\x1b", "size": 10, "moved": 4, "seconds": 2.0, "bits_per_second": 16}
    assert failed["name"] == "g"


def test_quiet_says_nothing_of_what_went_well() -> None:
    out, err = io.StringIO(), io.StringIO()
    lines = Lines(Console(io.StringIO(), out, err, quiet=True), "stop")

    lines.done(Summary("f", 10, 10, 1.0))
    lines.note("a word")
    lines.trouble(Trouble(1, None, 1.0))
    assert out.getvalue() + err.getvalue() == ""
    lines.failed("g", NotFound("no g"))

    assert "no g" in err.getvalue()


def test_the_terminal_can_be_lent_to_a_question() -> None:
    shown = Shown()
    shown.journey()
    shown.bar.pause()
    before = shown.screen.getvalue()

    shown.clock.advance(5)
    assert shown.screen.getvalue() == before
    shown.bar.resume()
    shown.clock.advance(0.1)

    assert shown.screen.getvalue() != before
    shown.bar.close()


def test_a_shrinking_total_never_shows_more_than_all() -> None:
    shown = Shown()
    shown.bar.expect(1, 100)
    shown.journey("grew", 200).at(200)
    shown.clock.advance(0.1)

    assert "100%" in shown.screen.picture
    shown.bar.close()
