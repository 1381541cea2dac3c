"""Pictures of who sends what to whom."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "_ext"))

from drawing import Row, draw, parse

_SVG = "{http://www.w3.org/2000/svg}"
TABLE = ["right: listen()", "", "-> SYN", "  <- SYN, ACK", "...", "left: a < b & c"]


def elements(picture: str, kind: str) -> list[Any]:
    return list(ElementTree.fromstring(picture).iter(f"{_SVG}{kind}"))


def test_a_table_is_read_row_by_row() -> None:
    assert parse(TABLE) == [
        Row("right:", "listen()"),
        Row("->", "SYN"),
        Row("<-", "SYN, ACK"),
        Row("...", ""),
        Row("left:", "a < b & c"),
    ]


@pytest.mark.parametrize("line", ["SYN", "->", "-> ", "--> SYN", "left connect()", "...."])
def test_a_row_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="neither an arrow nor a note"):
        parse([line])


def test_every_row_is_in_the_picture_and_in_its_order() -> None:
    picture = draw("client", "server", parse(TABLE))
    texts = [element.text for element in elements(picture, "text")]
    assert texts == ["client", "server", "listen()", "SYN", "SYN, ACK", "⋮", "a < b & c"]
    heights = [int(element.get("y")) for element in elements(picture, "text")[2:]]
    assert heights == sorted(heights)
    (title,) = elements(picture, "title")
    assert title.text.startswith("client and server: right: listen(); -> SYN; <- SYN, ACK;")


def test_arrows_go_from_who_sends_to_who_receives_and_downwards() -> None:
    left, right, there, back = elements(draw("a", "b", parse(["-> x", "<- y"])), "line")
    here, over_there = (int(line.get("x1")) for line in (left, right))
    assert (int(there.get("x1")), int(there.get("x2"))) == (here, over_there)
    assert (int(back.get("x1")), int(back.get("x2"))) == (over_there, here)
    for arrow in (there, back):
        assert int(arrow.get("y2")) > int(arrow.get("y1"))
