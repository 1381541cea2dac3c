"""
Going on by itself: reconnecting after any loss, and deciding when to ask a person.

L{Recovery} runs an operation over a connection, and over another one whenever that
breaks, until it is done, cannot get better, or nobody wants to wait any longer.  What it
means to go on is the operation's own knowledge: it is called again and looks at what
the receiver holds.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from random import random
from typing import Any, NamedTuple, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from filesrv.client.connection import Connection
from filesrv.client.errors import CannotConnect, ConnectionEnded, GaveUp, HeldDiffers, SourceChanged
from filesrv.transfer.liveness import LATE
from filesrv.wire.endings import Ending
from filesrv.wire.errors import FilesrvError, Retry
from filesrv.wire.replies import MalformedReply

__all__ = ["LONGEST_DELAY", "PATIENCE", "Recovery", "Trouble", "always", "never"]

#: Seconds without one new byte after which somebody is asked.
PATIENCE = 90.0

#: Seconds without one new byte after which it is said, though the connection stands.
QUIET = 10.0

#: Seconds between two tries: at once the first time, then from the first to the second,
#: doubled each time.  More would be felt when the link is back, less would knock at a
#: server that has just come up with every client at once.
FIRST_DELAY = 1.0
LONGEST_DELAY = 15.0

Result = TypeVar("Result")


class Trouble(NamedTuple):
    """
    What is wrong at the moment.

    @ivar attempt: how many tries have been made since the last new byte, 0 while the
        connection stands and merely nothing moves.
    @ivar cause: what the last one failed with.
    @ivar asks_at: when the patience ends, in seconds of the clock.
    """

    attempt: int
    cause: Exception | None
    asks_at: float

    def __str__(self) -> str:
        if self.cause is None:
            return "nothing moves, though the connection stands"
        if isinstance(self.cause, FilesrvError):
            return f"the server says: {self.cause.words or self.cause.code}"
        return str(self.cause)


#: Decides whether to go on trying; cancelled when that has become needless.
Decide = Callable[[Trouble], Deferred[bool]]


def always(trouble: Trouble) -> Deferred[bool]:
    """Go on trying for ever."""
    return _decided(True)


def never(trouble: Trouble) -> Deferred[bool]:
    """Leave it at the first patience."""
    return _decided(False)


def _decided(answer: bool) -> Deferred[bool]:
    decision: Deferred[bool] = Deferred()
    decision.callback(answer)
    return decision


def worth_retrying(error: Exception) -> bool:
    """Whether trying again can help."""
    if isinstance(error, ConnectionEnded):
        return error.ending is not Ending.TAKEN_OVER
    if isinstance(error, FilesrvError):
        return error.retry is not Retry.NO
    return isinstance(error, (CannotConnect, HeldDiffers, SourceChanged))


class Recovery:
    """
    A connection that comes back.

    @ivar trouble: what is wrong at the moment, L{None} while bytes move.
    """

    def __init__(
        self,
        clock: IReactorTime,
        connect: Callable[[], Deferred[Connection]],
        *,
        patience: float = PATIENCE,
        decide: Decide = never,
        tell: Callable[[Trouble | None], None] = lambda trouble: None,
        jitter: Callable[[], float] = random,
    ) -> None:
        """
        @param patience: seconds without a new byte until C{decide} is called.
        @param tell: told of each trouble, and of L{None} when it is over.
        @param jitter: from 0 to 1, so that many clients do not come back in step.
        """
        self._clock = clock
        self._connect = connect
        self._patience = patience
        self._decide, self._tell = decide, tell
        self._jitter = jitter
        self._connection: Connection | None = None
        self._known_good = False
        self._attempt = 0
        self._cause: Exception | None = None
        self._last_byte = clock.seconds()
        self._alarm: IDelayedCall | None = None
        self._question: Deferred[bool] | None = None
        self._work: Deferred[Any] | None = None
        self._gave_up: Trouble | None = None
        self._held_here = False
        self.trouble: Trouble | None = None

    async def run(self, operation: Callable[[Connection], Coroutine[Any, Any, Result]]) -> Result:
        """
        The result of C{operation}, over as many connections as it takes.

        @raise GaveUp: it was decided not to try any longer.
        """
        self._attempt = 0
        self._gave_up = None
        self._last_byte = self._clock.seconds()
        work: Deferred[Result] = Deferred.fromCoroutine(self._keep_trying(operation))
        self._work = work
        self._watch()
        try:
            return await work
        except CancelledError:
            if self._gave_up is None:
                raise
            raise GaveUp(str(self._gave_up)) from self._gave_up.cause
        finally:
            self._work = None
            self._stop_watching()

    @property
    def comes_back(self) -> bool:
        """
        Whether it goes back to what was a filesrv server, and did not say anything else
        than its greeting at the last try.
        """
        cause = self._cause
        refused = isinstance(cause, ConnectionEnded) and cause.ending is Ending.REFUSED
        otherwise = refused or isinstance(cause, MalformedReply)
        return self._known_good and self._attempt > 0 and not otherwise

    def moved(self) -> None:
        """A new byte arrived where it belongs."""
        self._last_byte = self._clock.seconds()
        if self.trouble is not None or self._question is not None:
            self._attempt, self._cause = 0, None
            self._withdraw_question()
            self._say(None)

    def wait_for_us(self, waiting: bool) -> None:
        """Nothing can move because this side takes nothing: no patience runs out."""
        self._held_here = waiting
        self._last_byte = self._clock.seconds()

    def close(self) -> Deferred[None]:
        """Leave the server; fires when the connection has ended."""
        connection, self._connection = self._connection, None
        if connection is None:
            gone: Deferred[None] = Deferred()
            gone.callback(None)
            return gone
        return connection.close()

    def abort(self) -> None:
        """Leave the server at once."""
        if self._connection is not None:
            self._connection.abort()

    async def _keep_trying(
        self, operation: Callable[[Connection], Coroutine[Any, Any, Result]]
    ) -> Result:
        while True:
            try:
                return await operation(await self.connection())
            except Exception as error:
                if self._gave_up is not None:  # The cancelled operation ended otherwise.
                    raise CancelledError from error
                known_server = self._known_good and isinstance(error, MalformedReply)
                if not (known_server or worth_retrying(error)):
                    raise
                self._cause = error
            self._attempt += 1
            self._say(self._current())
            await deferLater(self._clock, self._delay(), lambda: None)

    async def connection(self) -> Connection:
        """
        The connection that stands, or else a new one.

        @raise CannotConnect: the server cannot be reached now.
        """
        if self._connection is None or not self._connection.usable:
            self._connection = None
            self._connection = await self._connect()
            self._known_good = True
        return self._connection

    def _delay(self) -> float:
        """Seconds until the next try."""
        if self._attempt <= 1:
            return 0.0
        doubled: float = FIRST_DELAY * 2 ** min(self._attempt - 2, 16)
        longest = min(LONGEST_DELAY, doubled)
        return max(FIRST_DELAY, longest * (1 + self._jitter()) / 2)

    def _current(self) -> Trouble:
        return Trouble(self._attempt, self._cause, self._last_byte + self._patience)

    def _say(self, trouble: Trouble | None) -> None:
        self.trouble = trouble
        self._tell(trouble)

    def _watch(self) -> None:
        """Come back when the patience ends, if no byte moves until then."""
        if self._held_here:
            self._last_byte = self._clock.seconds()
        quiet = self._clock.seconds() - self._last_byte
        if quiet < self._patience:
            if quiet >= QUIET and self.trouble is None:
                self._say(self._current())
            until = QUIET if quiet < QUIET else self._patience
            # Not less than a clock that counts from 1970 can tell apart.
            wait = max(until - quiet, 0.001)
            due = self._clock.seconds() + wait
            self._alarm = self._clock.callLater(wait, self._wake, due)
            return
        self._alarm = None
        trouble = self._current()
        self._say(trouble)
        question = self._question = self._decide(trouble)
        question.addCallbacks(self._decided, self._not_decided, (trouble,), errbackArgs=(trouble,))

    def _wake(self, due: float) -> None:
        if self._clock.seconds() - due > LATE:
            # This process was stopped, or its machine asleep: nobody waited meanwhile, and
            # what the server sends again is still to come.
            self._last_byte = self._clock.seconds()
            if self.trouble is not None:
                self._say(self._current())
        self._watch()

    def _decided(self, go_on: bool, trouble: Trouble) -> None:
        self._question = None
        if go_on:
            self._last_byte = self._clock.seconds()
            self._say(self._current())
            self._watch()
            return
        self._gave_up = trouble
        if self._work is not None:
            self._work.cancel()

    def _not_decided(self, failure: Failure, trouble: Trouble) -> None:
        """The question was withdrawn, or nobody is there any more to answer it."""
        if not failure.check(CancelledError):
            self._decided(False, trouble)

    def _withdraw_question(self) -> None:
        question, self._question = self._question, None
        if question is not None:
            question.cancel()
            self._watch()

    def _stop_watching(self) -> None:
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        question, self._question = self._question, None
        if question is not None:
            question.cancel()
