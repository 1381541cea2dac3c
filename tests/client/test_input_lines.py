"""Lines from a person, a pipe or a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from filesrv.client.input_lines import InputLines, TooLong
from tests.support.hand_reactor import HandReactor


class Typed:
    """A pipe that a test writes to."""

    def __init__(self, longest: int = 10) -> None:
        self.reactor = HandReactor()
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        self.lines = InputLines(self.reactor, self._read, longest)

    def type(self, data: bytes) -> None:
        os.write(self._write, data)

    def end(self) -> None:
        if self._write >= 0:
            os.close(self._write)
            self._write = -1

    def next(self) -> Deferred[bytes | None]:
        return Deferred.fromCoroutine(self.lines.next())

    def close(self) -> None:
        self.end()
        os.close(self._read)


@pytest.fixture
def typed() -> Iterator[Typed]:
    made = Typed()
    yield made
    made.close()


def outcome(waiting: Deferred[bytes | None]) -> Any:
    """What it fired with, or why it failed; a list of nothing if it did not yet."""
    found: list[Any] = []
    waiting.addBoth(found.append)
    return found


def all_of(typed: Typed) -> list[bytes | str]:
    """Every line up to the end; "too long" for each that is."""
    found: list[bytes | str] = []
    while True:
        waiting = outcome(typed.next())
        while not waiting:
            typed.reactor.turn()
        if isinstance(waiting[0], Failure):
            waiting[0].trap(TooLong)
            found.append("too long")
        elif waiting[0] is None:
            return found
        else:
            found.append(waiting[0])


def test_a_line_is_handed_over_when_it_is_complete(typed: Typed) -> None:
    waiting = outcome(typed.next())
    typed.type(b"he")
    typed.reactor.turn()
    assert waiting == []
    typed.type(b"llo\nagain\n")
    typed.reactor.turn()
    assert waiting == [b"hello"]
    assert outcome(typed.next()) == [b"again"]


def test_nothing_is_read_before_somebody_wants_it(typed: Typed) -> None:
    assert typed.reactor.readers == []
    outcome(typed.next())
    assert typed.reactor.readers == [typed.lines]
    typed.type(b"x\n")
    typed.reactor.turn()
    assert typed.reactor.readers == []


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n", [b""]),
        (b"a\r\nb\n\nc", [b"a", b"b", b"", b"c"]),
        (b"a\rb\r\r\n", [b"a\rb\r"]),
        (b"\x00\xff\n", [b"\x00\xff"]),
        (b"0123456789\n0123456789\r\n0123456789", [b"0123456789"] * 3),
        (b"0123456789x\nshort\n", ["too long", b"short"]),
        (b"x" * 100_000 + b"\nshort", ["too long", b"short"]),
        (b"short\n" + b"x" * 100_000, [b"short", "too long"]),
    ],
)
def test_lines_are_taken_apart_whatever_they_hold(data: bytes, lines: list[bytes | str]) -> None:
    for size in (1, 7, 60_000):
        if len(data) // size > 1000:
            continue
        typed = Typed()
        found = feed(typed, data, size)
        typed.close()
        assert found == lines


def feed(typed: Typed, data: bytes, size: int) -> list[bytes | str]:
    """Have it read pieces of that size, each when it wants more."""
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    reactor = typed.reactor
    turn = reactor.turn

    def give() -> None:
        if pieces:
            typed.type(pieces.pop(0))
        else:
            typed.end()
        turn()

    reactor.turn = give  # type: ignore[method-assign]
    return all_of(typed)


@given(st.lists(st.binary(max_size=10).filter(lambda line: b"\n" not in line)), st.integers(1, 9))
def test_every_line_comes_once_and_in_order(lines: list[bytes], size: int) -> None:
    lines = [line.rstrip(b"\r") for line in lines]
    typed = Typed()
    found = feed(typed, b"".join(line + b"\n" for line in lines), size)
    typed.close()
    assert found == lines


def test_an_end_that_the_reactor_tells_of_is_one(typed: Typed) -> None:
    typed.type(b"last")
    waiting = outcome(typed.next())
    typed.reactor.turn()
    typed.lines.connectionLost(Failure(ConnectionDone()))
    assert waiting == [b"last"]
    assert outcome(typed.next()) == [None]


def test_a_terminal_that_is_gone_is_an_end(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*arguments: object) -> bytes:
        raise OSError(5, "Input/output error")

    waiting = outcome(typed.next())
    with monkeypatch.context() as patch:
        patch.setattr(os, "read", gone)
        typed.reactor.turn()
    assert waiting == [None]


def test_who_no_longer_waits_reads_no_more(typed: Typed) -> None:
    waiting = typed.next()
    found = outcome(waiting)
    waiting.cancel()
    assert found[0].check(CancelledError)
    assert typed.reactor.readers == []
