"""Which names a file may have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesrv.wire.errors import BadName
from filesrv.wire.names import MAX_NAME, MAX_PART, check_directory, check_name

LONGEST = "/".join(["p" * MAX_PART] * 4)


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "report.pdf",
        "a/b/c",
        "with blank",
        'with "quotes"',
        "back\\slash",
        "ünïcödé/文件/🐈",
        ".hidden",
        "...",
        "..a",
        "a..",
        "-",
        "~",
        "~root/x",
        "CON",
        " leading",
        "trailing ",
        ".filesrv2",
        "FILESRV",
        ".filesrv文",
        "a/.filesrv/b",
        ".filesrv.txt",
        "e\u0301",
        "p" * MAX_PART,
        "é" * 127,
        LONGEST,
    ],
)
def test_an_ordinary_name_is_taken_as_it_is(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "/etc/passwd",
        "a//b",
        "a/",
        ".",
        "..",
        "./a",
        "a/.",
        "a/./b",
        "../a",
        "a/..",
        "a/../b",
        "a/../../b",
        "nul\0",
        "\0",
        "line\nbreak",
        "return\r",
        "tab\t",
        "escape\x1b[2J",
        "bell\a",
        "delete\x7f",
        "nextline\x85",
        "csi\x9b",
        "\udcff",
        "a/\udc80b",
        "p" * (MAX_PART + 1),
        "é" * 128,
        "a/" + "p" * (MAX_PART + 1),
        "/".join(["a"] * MAX_NAME),
        LONGEST + "/p",
        ".filesrv",
        ".filesrv/",
        ".filesrv/registry.sqlite",
        ".filesrv/partial/x",
        ".FileSrv/registry.sqlite",
        ".FILE\u017fRV/x",
        ".file\u200dsrv",
        ".filesrv\ufe0f/x",
        ".filesrv./x",
        ".filesrv ",
    ],
)
def test_a_name_that_climbs_hides_or_is_no_text_is_refused(name: str) -> None:
    with pytest.raises(BadName):
        check_name(name)


@given(st.text())
def test_a_name_that_is_taken_stays_under_the_root_on_every_reading(name: str) -> None:
    try:
        check_name(name)
    except BadName:
        return
    parts = name.split("/")
    assert not {"", ".", ".."} & set(parts)
    assert parts[0] != ".filesrv"
    assert "\0" not in name
    assert len(name.encode()) <= MAX_NAME


@given(st.lists(st.sampled_from(["a", "..", ".", "", "b c", ".filesrv"]), min_size=1))
def test_a_name_is_refused_for_any_part_that_would_be(parts: list[str]) -> None:
    bad = bool({"", ".", ".."} & set(parts)) or parts[0] == ".filesrv"
    try:
        check_name("/".join(parts))
    except BadName:
        assert bad or len("/".join(parts)) > MAX_NAME
    else:
        assert not bad


@pytest.mark.parametrize(
    ("given_as", "directory"), [("", ""), ("a", "a"), ("a/", "a"), ("a/b/", "a/b")]
)
def test_a_directory_may_end_in_one_slash_and_the_root_is_empty(
    given_as: str, directory: str
) -> None:
    assert check_directory(given_as) == directory


@pytest.mark.parametrize("name", ["/", "//", "a//", "..", "../", ".", "./", ".filesrv/", "\udcff/"])
def test_a_directory_is_refused_for_what_a_name_is(name: str) -> None:
    with pytest.raises(BadName):
        check_directory(name)
