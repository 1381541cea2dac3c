"""
The real daemon and the real client, on links that break in every way of the table.
"""

from __future__ import annotations

import re

import pytest

from tests.recovery.endings import Told
from tests.recovery.scenarios import LEEWAY, QUICK, SCENARIOS, TRANSFERS, Measured

#: How the daemon may see each end.  One end notices first, and where its last word gets
#: through, that is what the other end sees.
SEEN_BY_SERVER = {
    "black hole, download": {"dead-unacknowledged"},
    "black hole, upload": {"dead-keepalive"},
    "one way, download": {"dead-unacknowledged", "reset"},
    "other way, download": {"dead-unacknowledged"},
    "one way, upload": {"dead-keepalive", "reset"},
    "interface, download": {"dead-unacknowledged"},
    "cable, upload": {"dead-keepalive"},
    "reset": {"reset"},
    "restarted": {"server-stopped"},
    "client stopped": {"stalled"},
    "moved": {"taken-over", "dead-keepalive"},
    "name": {"reset"},
    "idle": {"dead-keepalive"},
}

#: The machine of a program that was stopped goes on taking bytes for a few seconds, until
#: its buffers are full.
STALLED = QUICK.stall_timeout + 2 * LEEWAY

#: What ends at once is not waited for.
AT_ONCE = {"reset", "restarted", "name"}

#: What the client tells a person.  Before it knows of a death it says that nothing moves.
GONE = "the server, or the way to it, is gone|nothing moves"
WORDS = {
    "black hole, download": GONE,
    "black hole, upload": GONE,
    "one way, download": GONE,
    "other way, download": GONE,
    "one way, upload": GONE,
    "interface, download": GONE,
    "cable, upload": GONE,
    "reset": "the connection was reset; trying again",
    "killed": "the connection was reset|the server closed the connection",
    "killed, download": "the server closed the connection",
    "restarted": "the server closed the connection|the server was stopped",
    "server stopped": "nothing moves, though the connection stands",
    "moved": GONE,
    "name": "the connection was reset",
    "takeover": GONE,
}

#: The last words of who gives up, where they say more than that nobody answers.
LAST_WORDS = {
    "interface, download": "there is no way to it",
    "killed": "the connection was refused",
    "killed, download": "the connection was refused",
    "name": "no address for files.example",
}

every = pytest.mark.parametrize("key", SCENARIOS)
giving_up = [key for key, scenario in TRANSFERS.items() if scenario.gives_up]


@every
def test_the_file_arrives_and_cmp_is_silent(measured: Measured, key: str) -> None:
    assert measured.arrived


@pytest.mark.parametrize("key", [*TRANSFERS, "pause"])
def test_bytes_that_the_receiver_had_are_not_sent_again(measured: Measured, key: str) -> None:
    assert measured.twice == 0


@pytest.mark.parametrize("key", SEEN_BY_SERVER)
def test_the_daemon_notices_in_time_and_says_how_it_ended(measured: Measured, key: str) -> None:
    limit = STALLED if key == "client stopped" else QUICK.dead_after
    assert measured.server_noticed is not None
    assert measured.server_noticed <= (0 if key in AT_ONCE else limit) + LEEWAY
    assert measured.server_saw
    assert set(measured.server_saw) <= SEEN_BY_SERVER[key]


@pytest.mark.parametrize("key", [key for key in TRANSFERS if TRANSFERS[key].client_notices])
def test_the_client_notices_in_time_and_says_what_is_wrong(measured: Measured, key: str) -> None:
    limit = STALLED if key == "server stopped" else QUICK.dead_after
    soon = key in AT_ONCE or TRANSFERS[key].server_dies
    assert measured.client_noticed is not None
    assert measured.client_noticed <= (0 if soon else limit) + LEEWAY
    assert re.search(WORDS[key], measured.client_saw)


@pytest.mark.parametrize("key", ["idle"])
def test_a_client_that_waits_for_nothing_notices_too(measured: Measured, key: str) -> None:
    assert measured.client_noticed is not None
    assert measured.client_noticed <= QUICK.dead_after + LEEWAY


@every
def test_bytes_flow_again_within_two_seconds_of_the_next_try(measured: Measured, key: str) -> None:
    if measured.after_try is not None:
        assert measured.after_try <= 2
    assert measured.flows is not None
    # A try that is under way ends by itself, and the next one is at most so far.
    longest_try, longest_delay = 12, 15
    until_noticed = QUICK.dead_after if key == "moved" else 0
    assert measured.flows <= until_noticed + longest_try + longest_delay + 2


@pytest.mark.parametrize("key", ["takeover", "moved"])
def test_a_newcomer_goes_on_though_the_server_believes_in_the_old_connection(
    measured: Measured, key: str
) -> None:
    assert re.search(r"upload of big: \d+ bytes .*, taken-over$", measured.log, re.MULTILINE)
    assert measured.after_try is not None
    assert measured.after_try <= 2


@pytest.mark.parametrize("key", ["blink"])
def test_an_outage_shorter_than_death_is_not_noticed_at_all(measured: Measured, key: str) -> None:
    assert measured.said == ""
    assert measured.log.count(") connected") == 1


@pytest.mark.parametrize("key", giving_up)
def test_without_a_terminal_it_gives_up_when_its_patience_ends(
    measured: Measured, key: str
) -> None:
    assert measured.gave_up is not None
    assert QUICK.patience - 2 <= measured.gave_up <= QUICK.patience + LEEWAY
    assert measured.gave_up_status == 75
    assert measured.gave_up_words.startswith("filesrv: given up for now: ")
    assert "what has arrived is kept" in measured.gave_up_words
    assert LAST_WORDS.get(key, "") in measured.gave_up_words
    assert measured.kept


def test_who_comes_back_is_told_how_the_last_connection_ended(told: Told) -> None:
    both_ways = ("reset", "stalled", "server-stopped")
    expected = {(ending, way): ending for ending in both_ways for way in ("upload", "download")}
    expected["closed", "upload"] = "closed"
    expected["dead-keepalive", "upload"] = "dead-keepalive"
    expected["dead-unacknowledged", "download"] = "dead-unacknowledged"
    assert told.pending == expected
    # Nobody comes back to a transfer that was taken over: somebody has.
    expected |= {("taken-over", way): "taken-over" for way in ("upload", "download")}
    assert told.going_on == expected
