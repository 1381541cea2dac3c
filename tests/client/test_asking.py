"""Asking the person at the terminal, on a real one (pty(7))."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from filesrv.client.asking import TerminalQuestion, open_terminal
from tests.support.memory import MemoryReactor


class Asked:
    """A question, and the person who is to answer it."""

    def __init__(self) -> None:
        self.person, terminal = os.openpty()
        os.set_blocking(terminal, False)
        self.reactor = MemoryReactor()
        self.times = 0
        self.question = TerminalQuestion(self.reactor, terminal, self._ask)
        self.results: list[Any] = []
        self.question.answer.addBoth(self.results.append)

    def _ask(self) -> None:
        self.times += 1

    def types(self, text: bytes) -> None:
        os.write(self.person, text)
        for reader in list(self.reactor.readers):
            reader.doRead()

    @property
    def over(self) -> bool:
        return self.reactor.readers == {}


@pytest.fixture
def asked() -> Generator[Asked]:
    asked = Asked()
    yield asked
    os.close(asked.person)


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        (b"y\n", True),
        (b"YES\n", True),
        (b"\n", True),
        (b" yes \n", True),
        (b"n\n", False),
        (b"No\n", False),
    ],
)
def test_yes_and_no_are_understood(asked: Asked, typed: bytes, answer: bool) -> None:
    asked.types(typed)

    assert asked.results == [answer]
    assert asked.over


def test_what_is_not_understood_is_asked_again(asked: Asked) -> None:
    asked.types(b"what?\n")
    assert asked.results == []
    assert asked.times == 2

    asked.types(b"n\n")

    assert asked.results == [False]


def test_half_a_line_is_no_answer(asked: Asked) -> None:
    asked.types(b"y")

    assert asked.results == []
    asked.types(b"\n")
    assert asked.results == [True]


def test_who_ends_the_input_is_not_there(asked: Asked) -> None:
    asked.types(b"\x04")

    assert asked.results[0].check(EOFError)
    assert asked.over


def test_a_terminal_that_hangs_up_is_no_answer(asked: Asked) -> None:
    asked.question.connectionLost(Failure(ConnectionLost()))

    assert asked.results[0].check(EOFError)
    assert asked.over


def test_a_question_can_be_withdrawn(asked: Asked) -> None:
    asked.question.answer.cancel()

    assert asked.results[0].check(CancelledError)
    assert asked.over
    with pytest.raises(OSError, match="Input/output"):
        os.read(asked.person, 1)  # the terminal was let go of


def test_without_a_terminal_nobody_is_asked() -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()  # away from whatever terminal the tests have
        os.write(writer, b"none" if open_terminal() is None else b"one")
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(reader, 10) == b"none"
    os.close(reader)
    os.close(writer)
