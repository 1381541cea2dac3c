"""Going on by itself: when it tries again, when it asks, and when it leaves it at that."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock, deferLater

from filesrv.client.errors import CannotConnect, ConnectionEnded, GaveUp, SourceChanged
from filesrv.client.recovery import Recovery, Trouble, always, never, worth_retrying
from filesrv.wire.endings import Ending
from filesrv.wire.errors import (
    BY_CODE,
    FilesrvError,
    Idle,
    Internal,
    NoSpace,
    NotFound,
    Retry,
    ShuttingDown,
    TooManyConnections,
)
from filesrv.wire.replies import MalformedReply

START = 1_000_000.0


class FakeConnection:
    usable = True
    aborted = False

    def abort(self) -> None:
        self.usable, self.aborted = False, True


class Patient:
    """A recovery, the clock that it goes by, and what it does."""

    def __init__(self, **options: Any) -> None:
        self.clock = Clock()
        self.clock.rightNow = START
        self.tries: list[float] = []
        self.troubles: list[Trouble | None] = []
        self.questions: list[tuple[float, Deferred[bool]]] = []
        self.withdrawn = 0
        self.fail_connect: Callable[[int], Exception | None] = lambda number: None
        options.setdefault("decide", self.ask)
        options.setdefault("jitter", lambda: 1.0)
        self.recovery = Recovery(self.clock, self.connect, tell=self.troubles.append, **options)
        self.connections: list[FakeConnection] = []

    def connect(self) -> Deferred[Any]:
        self.tries.append(self.clock.seconds() - START)
        done: Deferred[Any] = Deferred()
        error = self.fail_connect(len(self.tries))
        if error is None:
            self.connections.append(FakeConnection())
            done.callback(self.connections[-1])
        else:
            done.errback(error)
        return done

    def ask(self, trouble: Trouble) -> Deferred[bool]:
        def withdraw(_: object) -> None:
            self.withdrawn += 1

        question: Deferred[bool] = Deferred(withdraw)
        self.questions.append((self.clock.seconds() - START, question))
        return question

    def run(self, operation: Callable[[Any], Any]) -> Outcome:
        return Outcome(Deferred.fromCoroutine(self.recovery.run(operation)))

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(0)
        self.clock.pump([0.125] * int(seconds * 8))


class Outcome:
    """What became of a run, once it is over."""

    def __init__(self, running: Deferred[Any]) -> None:
        self.running = running
        self.result: Any = None
        self.error: BaseException | None = None
        self.over = False
        running.addCallbacks(self._done, self._failed)

    def _done(self, result: Any) -> None:
        self.result, self.over = result, True

    def _failed(self, failure: Any) -> None:
        self.error, self.over = failure.value, True


def refused(number: int) -> Exception:
    return CannotConnect("the connection was refused")


async def silence(connection: Any) -> None:
    await Deferred()


def losing(times: int, error: Exception | None = None) -> Callable[[Any], Any]:
    """An operation that loses its connection so often, and then is done."""
    lost: list[int] = []

    async def operation(connection: Any) -> str:
        if len(lost) < times:
            lost.append(1)
            connection.usable = False
            raise error or ConnectionEnded(Ending.RESET)
        return "done"

    return operation


def test_what_goes_well_is_done_once() -> None:
    patient = Patient()

    outcome = patient.run(losing(0))

    assert outcome.result == "done"
    assert patient.tries == [0]
    assert patient.troubles == []
    assert patient.clock.getDelayedCalls() == []


def test_after_a_loss_the_first_try_is_made_at_once() -> None:
    patient = Patient()

    outcome = patient.run(losing(1))
    patient.clock.advance(0)

    assert outcome.result == "done"
    assert patient.tries == [0, 0]


def test_the_pauses_double_from_one_second_to_fifteen() -> None:
    patient = Patient(decide=always)
    patient.fail_connect = refused

    patient.run(silence)
    patient.pass_time(120)

    pauses = [later - earlier for earlier, later in pairwise(patient.tries)]
    assert pauses[:8] == [0, 1, 2, 4, 8, 15, 15, 15]


@pytest.mark.parametrize("jitter", [0.0, 0.3, 1.0])
def test_jitter_keeps_the_pauses_between_one_second_and_fifteen(jitter: float) -> None:
    patient = Patient(decide=always, jitter=lambda: jitter)
    patient.fail_connect = refused

    patient.run(silence)
    patient.pass_time(120)

    pauses = [later - earlier for earlier, later in pairwise(patient.tries[1:])]
    assert min(pauses) >= 1
    assert max(pauses) <= 15.125
    assert len(set(pauses)) > 3


def test_a_new_byte_makes_the_next_try_come_at_once_again() -> None:
    patient = Patient()

    async def operation(connection: Any) -> None:
        if len(patient.tries) == 4:
            patient.clock.rightNow += 0.5
            patient.recovery.moved()
        connection.usable = False
        raise ConnectionEnded(Ending.RESET)

    patient.run(operation)
    patient.pass_time(6)

    assert patient.tries[:6] == [0, 0, 1, 3, 3.5, 4.5]


def test_after_the_patience_somebody_is_asked() -> None:
    patient = Patient(patience=90)
    patient.fail_connect = refused

    outcome = patient.run(silence)
    patient.pass_time(89.5)
    assert patient.questions == []
    patient.pass_time(1)

    assert [at for at, _ in patient.questions] == [pytest.approx(90, abs=0.2)]
    assert not outcome.over


def test_what_is_told_says_how_often_it_was_tried_and_when_it_will_ask() -> None:
    patient = Patient(patience=90)
    patient.fail_connect = refused

    patient.run(silence)
    patient.pass_time(4)

    last = patient.troubles[-1]
    assert last is not None
    assert (last.attempt, last.asks_at - START) == (4, 90)
    assert str(last) == "the connection was refused"


def test_a_connection_that_stands_and_moves_nothing_is_trouble_too() -> None:
    patient = Patient(patience=90)

    outcome = patient.run(silence)
    patient.pass_time(91)

    (_, question) = patient.questions[0]
    question.callback(False)
    assert isinstance(outcome.error, GaveUp)
    assert "stands" in str(outcome.error)


def test_no_answers_the_question_with_giving_up() -> None:
    patient = Patient(patience=90)
    patient.fail_connect = refused
    outcome = patient.run(silence)
    patient.pass_time(91)

    patient.questions[0][1].callback(False)

    assert isinstance(outcome.error, GaveUp)
    assert isinstance(outcome.error.__cause__, CannotConnect)
    assert patient.clock.getDelayedCalls() == []


def test_yes_gives_another_patience() -> None:
    patient = Patient(patience=90)
    patient.fail_connect = refused
    outcome = patient.run(silence)
    patient.pass_time(100)

    patient.questions[0][1].callback(True)
    patient.pass_time(89.5)
    assert len(patient.questions) == 1
    patient.pass_time(1)

    assert len(patient.questions) == 2
    assert not outcome.over


def test_it_goes_on_trying_while_nobody_answers() -> None:
    patient = Patient(patience=30)
    patient.fail_connect = lambda number: refused(number) if number < 8 else None

    outcome = patient.run(losing(0))
    patient.pass_time(80)

    assert outcome.result == "done"
    assert patient.withdrawn == 1


def test_a_new_byte_answers_the_question() -> None:
    patient = Patient(patience=90)
    outcome = patient.run(silence)
    patient.pass_time(95)

    patient.recovery.moved()

    assert patient.withdrawn == 1
    assert patient.troubles[-1] is None
    patient.pass_time(89)
    assert len(patient.questions) == 1
    patient.pass_time(2)
    assert len(patient.questions) == 2
    assert not outcome.over


def test_giving_up_is_the_end_also_of_what_makes_something_else_of_being_cancelled() -> None:
    patient = Patient(patience=90, decide=never)

    async def stubborn(connection: Any) -> None:
        try:
            await silence(connection)
        except CancelledError:
            raise ConnectionEnded(Ending.RESET) from None

    outcome = patient.run(stubborn)
    patient.pass_time(91)

    assert isinstance(outcome.error, GaveUp)


def test_who_cannot_be_asked_has_said_no() -> None:
    patient = Patient(patience=90)
    outcome = patient.run(silence)
    patient.pass_time(91)

    patient.questions[0][1].errback(EOFError())

    assert isinstance(outcome.error, GaveUp)


@pytest.mark.parametrize("patience", [30, 90, 300])
def test_without_anybody_to_ask_it_ends_with_the_patience(patience: int) -> None:
    patient = Patient(patience=patience, decide=never)
    patient.fail_connect = refused

    outcome = patient.run(silence)
    patient.pass_time(patience - 0.5)
    assert not outcome.over
    patient.pass_time(1)

    assert isinstance(outcome.error, GaveUp)


def test_who_wants_to_try_for_ever_is_told_each_time() -> None:
    patient = Patient(patience=30, decide=always)
    patient.fail_connect = refused

    outcome = patient.run(silence)
    patient.pass_time(200)

    assert not outcome.over
    asks_at = {round(trouble.asks_at - START) for trouble in patient.troubles if trouble}
    assert {30, 60, 90, 120} <= asks_at


def test_bytes_that_move_slowly_but_steadily_are_no_trouble() -> None:
    patient = Patient(patience=90)

    async def slow(connection: Any) -> str:
        for _ in range(20):
            await deferLater(patient.clock, 60)
            patient.recovery.moved()
        return "done"

    outcome = patient.run(slow)
    patient.pass_time(1300)

    assert outcome.result == "done"
    assert patient.questions == []
    assert patient.troubles[-1] is None


def test_a_standstill_is_said_long_before_the_patience_ends() -> None:
    patient = Patient(patience=90)
    patient.run(silence)

    patient.pass_time(9.5)
    assert patient.troubles == []
    patient.pass_time(1)

    (trouble,) = patient.troubles
    assert trouble is not None
    assert (trouble.attempt, trouble.asks_at - START) == (0, 90)
    patient.recovery.moved()
    assert patient.troubles[-1] is None


def test_bytes_every_few_seconds_are_nothing_to_talk_about() -> None:
    patient = Patient(patience=90)

    async def slow(connection: Any) -> str:
        for _ in range(50):
            await deferLater(patient.clock, 9)
            patient.recovery.moved()
        return "done"

    outcome = patient.run(slow)
    patient.pass_time(500)

    assert outcome.result == "done"
    assert patient.troubles == []


def test_no_patience_runs_out_while_this_side_takes_nothing() -> None:
    """A pipe into a pager that nobody scrolls."""
    patient = Patient(patience=90)
    patient.run(silence)

    patient.recovery.wait_for_us(True)
    patient.pass_time(500)
    assert patient.questions == []
    patient.recovery.wait_for_us(False)
    patient.pass_time(91)

    assert len(patient.questions) == 1


@pytest.mark.parametrize("before", [3, 20])
def test_no_patience_runs_out_while_this_process_is_stopped(before: int) -> None:
    """Ctrl-Z, or a laptop that was closed."""
    patient = Patient(patience=90)
    patient.run(silence)

    patient.pass_time(before)
    patient.clock.advance(1000)
    assert patient.questions == []
    patient.pass_time(89)
    assert patient.questions == []
    patient.pass_time(2)

    assert len(patient.questions) == 1
    last = patient.troubles[-1]
    assert last is not None
    assert last.asks_at - START == pytest.approx(before + 1000 + 90, abs=0.2)


@pytest.mark.parametrize(
    "error", [ShuttingDown(), NoSpace(), Internal(), TooManyConnections(), Idle()]
)
def test_what_the_server_says_to_try_later_is_tried_later(error: FilesrvError) -> None:
    patient = Patient()

    outcome = patient.run(losing(3, error))
    patient.pass_time(10)

    assert outcome.result == "done"


@pytest.mark.parametrize(
    "error",
    [NotFound("f"), OSError(28, "full"), PermissionError("no"), FileNotFoundError("f"), KeyError()],
)
def test_what_cannot_get_better_is_not_tried_again(error: Exception) -> None:
    patient = Patient()

    outcome = patient.run(losing(1, error))

    assert outcome.error is error
    assert patient.tries == [0]
    assert patient.clock.getDelayedCalls() == []


def test_another_program_behind_the_port_is_not_tried_again() -> None:
    patient = Patient()
    patient.fail_connect = lambda number: MalformedReply("not filesrv")

    outcome = patient.run(silence)

    assert isinstance(outcome.error, MalformedReply)
    assert patient.tries == [0]


def test_a_server_that_was_one_and_is_something_else_for_a_moment_is_waited_for() -> None:
    """A proxy in front of it says what it likes while the server restarts."""
    patient = Patient()
    patient.fail_connect = lambda number: MalformedReply("502") if number == 2 else None

    outcome = patient.run(losing(1))
    patient.pass_time(3)

    assert outcome.result == "done"


@pytest.mark.parametrize(
    ("cause", "ahead"),
    [
        (ConnectionEnded(Ending.RESET), True),
        (CannotConnect("the connection was refused"), True),
        (ConnectionEnded(Ending.REFUSED), False),
        (MalformedReply("502"), False),
    ],
)
def test_nothing_is_said_ahead_to_a_server_that_says_something_else_now(
    cause: Exception, ahead: bool
) -> None:
    patient = Patient()
    asked: list[bool] = []

    def fail(number: int) -> Exception | None:
        asked.append(patient.recovery.comes_back)
        return cause if number == 2 else None

    patient.fail_connect = fail
    patient.run(losing(1))
    patient.pass_time(2)

    assert asked == [False, True, ahead]


def test_a_connection_that_still_stands_is_used_again() -> None:
    patient = Patient()
    patient.run(losing(0))

    patient.run(losing(0))

    assert len(patient.connections) == 1


def test_cancelling_leaves_nothing_behind() -> None:
    patient = Patient(patience=90)
    patient.fail_connect = refused
    outcome = patient.run(silence)
    patient.pass_time(95)

    outcome.running.cancel()

    assert isinstance(outcome.error, CancelledError)
    assert patient.withdrawn == 1
    assert patient.clock.getDelayedCalls() == []


def test_what_is_worth_another_try_is_what_the_contract_says() -> None:
    for kind in BY_CODE.values():
        assert worth_retrying(kind()) == (kind.retry is not Retry.NO)
    for ending in Ending:
        assert worth_retrying(ConnectionEnded(ending)) == (ending is not Ending.TAKEN_OVER)
    assert worth_retrying(SourceChanged())
    assert worth_retrying(CannotConnect())
