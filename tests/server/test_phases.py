"""The table of phases: every way from one to another, and no other."""

from __future__ import annotations

from itertools import product

import pytest

from filesrv.server.phases import TRANSITIONS, Event, Phase, WrongPhase, next_phase

#: Written down by hand once more, so that a slip in the table does not go unnoticed.
FOLLOWS = {
    ("READY", "COMMAND"): "BUSY",
    ("READY", "SKIP"): "SKIPPING_PAYLOAD",
    ("READY", "LONG_LINE"): "SKIPPING_LINE",
    ("BUSY", "ANSWERED"): "READY",
    ("BUSY", "RECEIVE"): "RECEIVING",
    ("BUSY", "SEND"): "SENDING",
    ("BUSY", "SKIP"): "SKIPPING_PAYLOAD",
    ("RECEIVING", "MOVED"): "BUSY",
    ("RECEIVING", "SKIP"): "SKIPPING_PAYLOAD",
    ("SENDING", "MOVED"): "BUSY",
    ("SKIPPING_LINE", "SKIPPED"): "READY",
    ("SKIPPING_PAYLOAD", "SKIPPED"): "READY",
    ("BUSY", "SECURE"): "SECURING",
    ("SECURING", "SECURED"): "BUSY",
    ("CLOSING", "ANSWERED"): "CLOSING",
    ("CLOSED", "ANSWERED"): "CLOSED",
    ("CLOSED", "CLOSE"): "CLOSED",
    **{(phase.name, "CLOSE"): "CLOSING" for phase in Phase if phase is not Phase.CLOSED},
    **{(phase.name, "LOST"): "CLOSED" for phase in Phase},
}


@pytest.mark.parametrize(
    ("phase", "event"), list(product(Phase, Event)), ids=lambda value: value.name.lower()
)
def test_an_event_leads_where_it_should_or_nowhere(phase: Phase, event: Event) -> None:
    follows = FOLLOWS.get((phase.name, event.name))
    if follows is None:
        with pytest.raises(WrongPhase, match=f"{event.name} while {phase.name}"):
            next_phase(phase, event)
    else:
        assert next_phase(phase, event) is Phase[follows]


def test_every_phase_has_a_row_and_every_event_a_use() -> None:
    assert set(TRANSITIONS) == set(Phase)
    assert {event for row in TRANSITIONS.values() for event in row} == set(Event)


def test_every_phase_can_be_reached_and_every_conversation_can_end() -> None:
    reached = {Phase.READY}
    for _ in Phase:
        reached |= {follows for phase in reached for follows in TRANSITIONS[phase].values()}
    assert reached == set(Phase)
    assert all(next_phase(phase, Event.LOST) is Phase.CLOSED for phase in Phase)
