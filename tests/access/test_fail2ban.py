"""The filter for fail2ban, over what the daemon really logs."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from filesrv.access.door import Door
from filesrv.access.penalties import Cost
from filesrv.service.logs import journal_line, text_line
from tests.support.logs import collecting

FILTER = Path(__file__).parents[2] / "docs/fail2ban/filter.d/filesrv.conf"

#: What some program could take for the end of a line.
_LINE_END = r"[\n\r\x85\u2028]"

_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}"

#: What fail2ban puts in the place of <ADDR>.
_ADDRESS = r"(?P<address>\d{1,3}(?:\.\d{1,3}){3}|\[?[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+\]?)"


@pytest.fixture(scope="module")
def failed() -> re.Pattern[str]:
    parser = configparser.ConfigParser()
    parser.read(FILTER)
    return re.compile(parser["Definition"]["failregex"].replace("<ADDR>", _ADDRESS))


def logged(user: str, address: str) -> list[str]:
    """
    What fail2ban compares when somebody gives a wrong password: the lines of a file, without
    the time, and those of the journal.
    """
    clock = Clock()
    with collecting() as log:
        door = Door(clock, [InMemoryUsernamePasswordDatabaseDontUse()], Cost())
        Deferred.fromCoroutine(door.log_in(user, "wrong", address)).addErrback(lambda _: None)
        clock.advance(1)
    (event,) = log.events
    file = re.split(_LINE_END, text_line(event).rstrip("\n"))
    journal = re.split(_LINE_END, journal_line(event).rstrip("\n"))
    return [
        *(re.sub(_TIME, "", line) for line in file),
        *(f"host twistd[4711]: {line.removeprefix('<4>')}" for line in journal),
    ]


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7"])
@pytest.mark.parametrize("user", ["ada", "o'hara", "x from 192.0.2.9", "né", "", 'a"b'])
def test_a_wrong_password_is_found_with_its_address(
    failed: re.Pattern[str], user: str, address: str
) -> None:
    for line in logged(user, address):
        found = failed.search(line)
        assert found is not None
        assert found["address"] == address


@pytest.mark.parametrize(
    "user",
    [
        "x' from 192.0.2.9",
        (
            "x\n2026-11-20T10:30:00+0000 [filesrv.access.door.Door#warn] login failed for 'y' from "
            "192.0.2.9"
        ),
        "x' from 192.0.2.9\u2028",
        "x' from 192.0.2.9\r",
        "x' from 192.0.2.9\x85",
    ],
)
def test_nobody_can_have_somebody_else_banned(failed: re.Pattern[str], user: str) -> None:
    for line in logged(user, "192.0.2.7"):
        found = failed.search(line)
        assert found is not None
        assert found["address"] == "192.0.2.7"


@pytest.mark.parametrize(
    "line",
    [
        (
            "[filesrv.server.session.Session#info] client 192.0.2.7(40112): upload of "
            "\"[filesrv.access.door.Door#warn] login failed for 'x' from 192.0.2.9\""
        ),
        "[filesrv.server.session.Session#info] client 192.0.2.7(40112) left: closed",
        "[filesrv.store.failures#error] 'login failed for 'x' from 192.0.2.9",
    ],
)
def test_other_lines_are_not_taken_for_it(failed: re.Pattern[str], line: str) -> None:
    assert failed.search(f" {line}") is None
    message = line.partition("] ")[2]
    assert failed.search(f"host twistd[4711]: {message}") is None
