"""The rights file: what it says, who it says it of, and where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from filesrv.access.rights import Right, Rights, WrongRights, parse_rights, read_rights

RIGHTS = """
# What is said first are the groups.
[groups]
staff = alice, bob
night = bob carol

[/]
*         = read, list
anonymous = list

[/projects]
@staff    = read list write
@night    = read list delete
dave      = none

[/projects/plan b/]
alice     = all
"""


@pytest.fixture
def rights() -> Rights:
    return parse_rights(RIGHTS)


READ_LIST = Right.READ | Right.LIST


@pytest.mark.parametrize(
    ("user", "place", "may"),
    [
        ("eve", "", READ_LIST),
        ("eve", "a/b/c", READ_LIST),
        (None, "a", Right.LIST),
        (None, "projects/x", Right.LIST),
        ("alice", "projects", READ_LIST | Right.WRITE),
        ("alice", "projects/x/y", READ_LIST | Right.WRITE),
        ("alice", "projects/plan b", Right.ALL),
        ("alice", "projects/plan b/", Right.ALL),
        ("alice", "projects/plan b/x", Right.ALL),
        ("alice", "projects/plan by", READ_LIST | Right.WRITE),
        ("alice", "projectsx", READ_LIST),
        ("bob", "projects/x", Right.ALL),
        ("carol", "projects/x", READ_LIST | Right.DELETE),
        ("dave", "projects/x", Right.NONE),
        ("eve", "projects/x", READ_LIST),
        ("eve", "projects/plan b", READ_LIST),
    ],
)
def test_the_nearest_directory_that_has_a_line_about_somebody_counts(
    rights: Rights, user: str | None, place: str, may: Right
) -> None:
    assert rights.at(user, place) & Right.ALL == may


def test_of_whom_nothing_is_said_may_do_nothing() -> None:
    rights = parse_rights("[/x]\nalice = all\n")

    assert rights.at("alice", "") & Right.ALL is Right.NONE
    assert rights.at("bob", "x") is Right.NONE
    assert rights.at(None, "x") is Right.NONE


def test_the_way_to_where_somebody_may_list_can_be_seen() -> None:
    rights = parse_rights("[/a/b]\nalice = list\n")

    assert rights.at("alice", "") is Right.PASS
    assert rights.at("alice", "a") is Right.PASS
    assert rights.at("alice", "ab") is Right.NONE
    assert rights.at("bob", "a") is Right.NONE


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("alice = read", 1, "no [/directory] above"),
        ("[/]\n\nalice read", 3, "NAME = RIGHTS"),
        ("[/]\nalice = raed", 2, "raed is no right"),
        ("[/]\nalice =", 2, "what may alice do?"),
        ("[/]\nalice = read\nalice = write", 3, "twice"),
        ("[/]\n[/x]\n[/]", 3, "twice"),
        ("[/x]\n[/x/]", 2, "twice"),
        ("[/]\n@staff = read", 2, "no group staff"),
        ("[/]\n[groups]\nstaff = alice", 2, "comes first"),
        ("[groups]\nstaff = a/b", 2, "no name of a user"),
        ("[groups]\nstaff = alice\nstaff = bob", 3, "twice"),
        ("[/]\n../x = read", 2, "no name of a user"),
        ("[/../etc]", 1, "without empty parts"),
        ("[/.filesrv]", 1, "server's own"),
        ("[projects]", 1, "[/] or [/name]"),
        ("[/projects", 1, "[/] or [/name]"),
    ],
)
def test_a_fault_is_said_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(WrongRights) as caught:
        parse_rights(text)
    assert str(caught.value).startswith(f"line {line}: ")
    assert words in str(caught.value)


def test_a_fault_is_said_with_its_file(tmp_path: Path) -> None:
    file = tmp_path / "rights"
    with pytest.raises(WrongRights, match="No such file"):
        read_rights(str(file))
    file.write_text("[/]\r\n* = read\r\nx\r\n")
    with pytest.raises(WrongRights, match="rights, line 3: "):
        read_rights(str(file))
    file.write_bytes(b"[/]\n\xff = read")
    with pytest.raises(WrongRights, match="UTF-8"):
        read_rights(str(file))


@pytest.mark.parametrize("unseen", ["\x0b", "\x1b[2J", "\x85", "\u2028"])
def test_what_cannot_be_seen_is_a_fault_and_is_not_repeated(unseen: str) -> None:
    with pytest.raises(WrongRights) as refused:
        parse_rights(f"[/]\n@st{unseen}aff = read\n")

    assert str(refused.value) == "line 2: something stands here that cannot be seen"
