"""Positions of files, over however many connections."""

from __future__ import annotations

from twisted.internet.task import Clock

from filesrv.client.report import IN_FLIGHT, Journey
from tests.client.network import Notes


class Way:
    def __init__(self, size: int = 10**9) -> None:
        self.clock = Clock()
        self.notes = Notes()
        self.moves = 0
        self.journey = Journey(self.clock, "f", size, self.notes, self._moved)

    def _moved(self) -> None:
        self.moves += 1

    def one_try(self, *positions: int) -> None:
        self.journey.next_try()
        for position in positions:
            self.journey.at(position)

    @property
    def shown(self) -> list[int]:
        return [position for _, position in self.notes.positions]


def test_what_was_there_before_is_shown_and_not_counted() -> None:
    way = Way()

    way.one_try(400, 500, 1000)

    assert way.shown == [400, 500, 1000]
    assert way.journey.moved == 600
    assert way.moves == 2


def test_what_is_sent_again_is_no_progress_and_gives_no_new_patience() -> None:
    """A path that swallows everything large would otherwise be tried for ever."""
    way = Way()
    way.one_try(0, 1000)
    for _ in range(5):
        way.one_try(0, 500, 1000)

    assert way.shown == [0, *[1000] * 6]
    assert way.moves == 1
    assert way.journey.moved == 1000


def test_a_server_that_has_lost_what_it_had_is_believed() -> None:
    way = Way()
    way.one_try(0, IN_FLIGHT + 2)

    way.one_try(0, 1000)

    assert way.shown == [0, IN_FLIGHT + 2, 0, 1000]
    assert way.moves == 2


def test_another_file_begins_with_nothing() -> None:
    way = Way()
    way.one_try(0, 500)

    way.journey.restart(800)
    way.one_try(0, 300)

    assert way.shown == [0, 500, 0, 300]
    assert way.journey.size == 800


def test_the_time_begins_with_the_first_answer() -> None:
    way = Way(100)
    way.clock.advance(50)
    way.one_try(0)
    way.clock.advance(2)
    way.journey.at(100)

    summary = way.journey.summary()

    assert (summary.size, summary.moved, summary.seconds) == (100, 100, 2)
