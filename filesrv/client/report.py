"""
What transfers tell of themselves while they run.

Positions are those of files, not of connections: a byte that is sent again after a
break is no progress, so that what is shown never runs backwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from twisted.internet.interfaces import IReactorTime

from filesrv.client.recovery import Trouble

__all__ = ["IN_FLIGHT", "Journey", "Report", "Summary"]

#: Bytes that may have left here without having arrived: more than the buffers of both
#: kernels hold (tcp_wmem and tcp_rmem of Linux end at 4 and 6 MiB by default).
IN_FLIGHT = 16 * 1024 * 1024


class Summary(NamedTuple):
    """
    A transfer that is done.

    @ivar name: as the user knows it.
    @ivar size: bytes of the file.
    @ivar moved: bytes that went over the wire in this run, none counted twice.
    """

    name: str
    size: int
    moved: int
    seconds: float


class Report:
    """Takes what transfers tell, and keeps it to itself: for those who want to hear less."""

    def expect(self, files: int, size: int | None) -> None:
        """So many files, and bytes in all where that is known."""

    def began(self, journey: Journey) -> None:
        """A file is on its way, for the first time or again."""

    def advanced(self, journey: Journey, count: int) -> None:
        """So many bytes more of a file are where they belong."""

    def done(self, summary: Summary) -> None:
        """A file is where it belongs."""

    def failed(self, name: str, error: Exception) -> None:
        """A file is not transferred; others go on."""

    def note(self, words: str) -> None:
        """Something that the user should know."""

    def trouble(self, trouble: Trouble | None) -> None:
        """What is wrong at the moment; L{None} when it is over."""


class Journey:
    """
    How far a file has come.

    @ivar size: bytes of the file.
    @ivar position: the farthest that it has ever been.
    @ivar moved: bytes that have advanced it in this run.
    @ivar moves: whether anything was told of it yet.
    """

    def __init__(
        self, clock: IReactorTime, name: str, size: int, report: Report, moved: Callable[[], None]
    ) -> None:
        """
        @param moved: told of each advance.
        """
        self._clock = clock
        self._report = report
        self._tell_moved = moved
        self._started = clock.seconds()
        self._offset_comes = True
        self.name = name
        self.size = size
        self.position = 0
        self.moved = 0
        self.moves = False

    def next_try(self) -> None:
        """What is told next is where the transfer goes on."""
        self._offset_comes = True

    def restart(self, size: int) -> None:
        """It is another file now, and none of it is there."""
        self.size = size
        self.position = 0
        self._offset_comes = True

    def at(self, position: int) -> None:
        """The transfer is at C{position}, in bytes of the file."""
        offset_comes, self._offset_comes = self._offset_comes, False
        if offset_comes:
            self._goes_on_at(position)
        elif position > self.position:
            count = position - self.position
            self.position = position
            self.moved += count
            self._report.advanced(self, count)
            self._tell_moved()

    def _goes_on_at(self, offset: int) -> None:
        if not self.moves:
            self._started = self._clock.seconds()
        # Who holds so much less than was sent has lost it; it has to move again.
        if offset > self.position or offset < self.position - IN_FLIGHT:
            self.position = offset
        self.moves = True
        self._report.began(self)

    def summary(self) -> Summary:
        """The end of it."""
        seconds = max(0.0, self._clock.seconds() - self._started)
        return Summary(self.name, self.size, self.moved, seconds)
