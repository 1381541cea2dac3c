"""
How long the daemon waits for a peer to say something: for the first command, for the end
of a line, and for the next command.

While a transfer or a command goes on, or replies wait to be read, it is not the peer's turn
to speak; whether the peer is still there then is L{filesrv.transfer.liveness}' question.
"""

from __future__ import annotations

from math import inf
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from filesrv.server.limits import Limits
from filesrv.transfer.liveness import LATE
from filesrv.wire.endings import Ending
from filesrv.wire.errors import FilesrvError, Idle, Stalled

__all__ = ["Hearing", "Patience"]

#: Seconds between two looks.  One timer for all connections, and a comparison for each: of
#: 10,000 connections that is half a millisecond.
LOOK_EVERY = 1.0


#: Seconds over which the least rate of a transfer is measured, at least.
RATE_OVER = 60.0


class Peer(Protocol):
    """What is asked of a connection."""

    @property
    def is_their_turn(self) -> bool:
        """Whether nothing is to happen before the peer says something."""

    @property
    def payload(self) -> int | None:
        """A count that changes with each byte of a payload; L{None} where none is moving."""

    def end(self, ending: Ending, refusal: FilesrvError) -> None:
        """The peer said, or moved, too little for too long."""


class Patience:
    """With all connections of one daemon."""

    def __init__(self, clock: IReactorTime, limits: Limits) -> None:
        self.clock = clock
        self.limits = limits
        self._hearings: set[Hearing] = set()
        self._next: IDelayedCall | None = None
        self._due = 0.0

    def hear(self, peer: Peer) -> Hearing:
        """Begin with a new connection."""
        hearing = Hearing(self, peer)
        self._hearings.add(hearing)
        if self._next is None:
            self._look_again()
        return hearing

    def forget(self, hearing: Hearing) -> None:
        """The connection has ended."""
        self._hearings.discard(hearing)
        if not self._hearings and self._next is not None:
            self._next.cancel()
            self._next = None

    def _look_again(self) -> None:
        self._due = self.clock.seconds() + LOOK_EVERY
        self._next = self.clock.callLater(LOOK_EVERY, self._look)

    def _look(self) -> None:
        self._next = None
        now = self.clock.seconds()
        late = now - self._due
        if late > LATE:  # Nobody was here to listen.
            for hearing in self._hearings:
                hearing.excuse(late)
        for hearing in [each for each in self._hearings if each.look_at <= now]:
            hearing.look(now)
        if self._hearings and self._next is None:
            self._look_again()


class Hearing:
    """
    What one peer said when.

    @ivar look_at: before this time, in seconds of the clock, nothing can be overdue.
    """

    __slots__ = (
        "_began",
        "_line_began",
        "_measured",
        "_patience",
        "_payload",
        "_peer",
        "_silent_since",
        "look_at",
    )

    def __init__(self, patience: Patience, peer: Peer) -> None:
        self._patience = patience
        self._peer = peer
        now = patience.clock.seconds()
        #: When the connection was made; infinite once a line was heard.
        self._began = now
        #: When the line began that has not ended; infinite where none has.
        self._line_began = inf
        self._silent_since = now
        #: The count of a payload, and when it was that.
        self._payload: int | None = None
        self._measured = now
        self.look_at = now

    def stop(self) -> None:
        """The connection has ended."""
        self._patience.forget(self)

    def heard(self, data: bytes, lines: bool) -> None:
        """
        Some bytes came.

        @param lines: whether lines are expected, and not a payload.
        """
        now = self._silent_since = self._patience.clock.seconds()
        if not lines:
            return
        ends_lines = b"\n" in data
        if ends_lines:
            self._began = inf
        if data.endswith(b"\n"):
            self._line_began = inf
        elif self._line_began == inf or ends_lines:
            self._line_began = now
            self.look_at = min(self.look_at, now + self._patience.limits.line_timeout)

    def payload_ended(self) -> None:
        """What came last was no line that has begun."""
        self._line_began = inf

    def answered(self) -> None:
        """Nobody could be heard until now, for a command was being performed."""
        self._payload = None
        now = self._silent_since = self._patience.clock.seconds()
        if self._line_began != inf:
            self._line_began = now

    def excuse(self, seconds: float) -> None:
        """So long nobody listened."""
        self._began += seconds
        self._line_began += seconds
        self._silent_since += seconds
        self._measured += seconds

    def look(self, now: float) -> None:
        """Decide whether too little was said."""
        limits = self._patience.limits
        if not self._peer.is_their_turn:
            self._measure(now)
        elif now - self._began >= limits.first_command_timeout:
            self._end("no command came", limits.first_command_timeout)
        elif now - self._line_began >= limits.line_timeout:
            self._end("the line did not end", limits.line_timeout)
        elif now - self._silent_since >= limits.idle_timeout:
            self._end("nothing was said", limits.idle_timeout)
        self._plan(now)

    def _measure(self, now: float) -> None:
        """Whether a payload is too slow; nobody has to say anything meanwhile."""
        before, count = self._payload, self._peer.payload
        passed = now - self._measured
        self.answered()
        if before is not None and count is not None and passed < RATE_OVER:
            self._payload = before
            return
        self._payload, self._measured = count, now
        least = self._patience.limits.min_rate
        if before is not None and count is not None and abs(count - before) < least * passed:
            self.stop()
            words = f"less than {least:g} bytes a second; go on from where it stopped"
            self._peer.end(Ending.STALLED, Stalled(words, limit=f"{least:g}"))

    def _plan(self, now: float) -> None:
        """A line may begin at any time, so none of them goes without a look for longer."""
        limits = self._patience.limits
        self.look_at = min(
            self._began + limits.first_command_timeout,
            self._silent_since + limits.idle_timeout,
            min(self._line_began, now) + limits.line_timeout,
            now + RATE_OVER if limits.min_rate else inf,
        )

    def _end(self, what: str, limit: float) -> None:
        self.stop()
        words = f"{what} for {limit:g} s; connect again"
        self._peer.end(Ending.IDLE, Idle(words, limit=f"{limit:g}"))
