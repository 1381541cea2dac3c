"""Lines to commands and back, names and times: what anybody may type."""

from __future__ import annotations

from filesrv.server.commands import COMMANDS
from filesrv.wire.errors import BadArguments, BadName
from filesrv.wire.grammar import format_command, format_word, number, split_verb, words
from filesrv.wire.names import STATE_DIRECTORY, check_directory, check_name
from filesrv.wire.replies import err
from filesrv.wire.times import parse_time, utc_time
from fuzz.reference import announced

__all__ = ["check"]


def check(data: bytes) -> None:
    """
    Read each line of C{data} as a command.

    @raise AssertionError: what was read and written again is something else.
    """
    for line in data.split(b"\n"):
        verb, text = split_verb(line)
        assert verb == verb.upper()
        row = COMMANDS.get(verb)
        if row is not None:
            assert row.announced(text) in (0, announced(text))
            try:
                command = row.syntax.bind(verb, text)
            except BadArguments as refusal:
                said = err(refusal)
            else:
                said = repr(command).encode("utf-8", "surrogateescape")
            assert b"\n" not in said
        _read(text)


def _read(text: bytes) -> None:
    try:
        found = [word.positional for word in words(text)]
    except BadArguments:
        return
    again = format_command("VERB", *found)
    assert [word.positional for word in words(split_verb(again)[1])] == found
    for word in found:
        assert [
            each.text for each in words(format_word(word).encode("utf-8", "surrogateescape"))
        ] in ([word], [word.partition("=")[2]])
        _read_name(word)
        _read_number(word)
        _read_time(word)


def _read_name(word: str) -> None:
    try:
        name = check_name(word)
    except BadName:
        return
    parts = name.split("/")
    assert not name.startswith("/")
    assert not {"", ".", ".."} & set(parts)
    assert not {"\n", "\0", "\x1b"} & set(name)
    assert parts[0] != STATE_DIRECTORY
    assert check_directory(f"{name}/") == name


def _read_number(word: str) -> None:
    try:
        found = number(word)
    except BadArguments:
        return
    assert 0 <= found < 10**19
    assert str(found) == (word.lstrip("0") or "0")


def _read_time(word: str) -> None:
    try:
        found = parse_time(word)
    except BadArguments:
        return
    assert parse_time(utc_time(found)) == found
