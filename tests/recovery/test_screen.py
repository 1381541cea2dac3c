"""
What a person at a terminal sees of an outage, and is asked.
"""

from __future__ import annotations

import re

from tests.recovery.scenarios import LEEWAY, QUICK
from tests.recovery.terminal import Seen

_BAR = re.compile(r"holiday\.mp4 \S+ +(\d+)% (.*)")


def _bar(screen: str) -> tuple[int, str]:
    """The percentage and the state in the last line."""
    found = _BAR.fullmatch(screen.splitlines()[-1])
    assert found is not None, screen
    return int(found[1]), found[2]


def test_the_bar_stays_and_says_that_it_reconnects_and_when_it_will_ask(refused: Seen) -> None:
    before, _ = _bar(refused.screens["before"])
    during, state = _bar(refused.screens["noticed"])
    assert during >= before
    assert re.fullmatch(r"reconnecting \(\d+\), will ask at \d\d:\d\d:\d\d", state)


def test_it_says_that_nothing_moves_before_it_knows_why(refused: Seen, healed: Seen) -> None:
    for seen in (refused, healed):
        _, state = _bar(seen.screens["nothing moves"])
        # A death that was noticed as soon is said instead.
        assert re.match(r"nothing moves, will ask at|reconnecting \(1\), will ask at", state)


def test_the_bar_never_runs_backwards(refused: Seen, healed: Seen) -> None:
    for seen in (refused, healed):
        assert len(seen.percents) > 1
        assert seen.percents == sorted(seen.percents)


def test_the_question_says_what_is_wrong_and_what_is_kept(refused: Seen) -> None:
    asked = refused.screens["asked"]
    assert re.search(r"^filesrv: no byte has moved for 30 s: .* does not answer\.", asked, re.M)
    assert "What has arrived is kept." in asked
    assert asked.endswith("Go on trying? [Y/n]")


def test_the_question_comes_when_it_was_announced(refused: Seen, healed: Seen) -> None:
    for seen in (refused, healed):
        assert seen.asked[0] <= QUICK.patience + LEEWAY
        assert seen.late <= LEEWAY


def test_yes_gives_another_patience(refused: Seen) -> None:
    _, state = _bar(refused.screens["yes"])
    assert state.startswith("reconnecting (")
    first, second = refused.asked
    assert QUICK.patience <= second - first <= QUICK.patience + LEEWAY


def test_no_ends_it_with_status_75_and_everything_kept(refused: Seen) -> None:
    assert "filesrv: given up for now: " in refused.screens["no"]
    assert refused.status == 75
    assert refused.kept > 1024 * 1024


def test_a_link_that_heals_answers_the_question(healed: Seen) -> None:
    before, _ = _bar(healed.screens["before"])
    after, state = _bar(healed.screens["healed"])
    assert after >= before
    assert "B/s" in state
    assert len(healed.asked) == 1
    assert healed.status == 0
    assert healed.arrived
