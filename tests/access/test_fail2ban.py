"""The filter for fail2ban, over what the daemon really logs."""

from __future__ import annotations

import configparser
import io
import re
from pathlib import Path

import pytest
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher, textFileLogObserver

from filesrv.access.door import Door
from filesrv.access.penalties import Cost

FILTER = Path(__file__).parents[2] / "docs/fail2ban/filter.d/filesrv.conf"

#: What fail2ban puts in the place of <ADDR>.
_ADDRESS = r"(?P<address>\d{1,3}(?:\.\d{1,3}){3}|\[?[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+\]?)"


@pytest.fixture(scope="module")
def failed() -> re.Pattern[str]:
    parser = configparser.ConfigParser()
    parser.read(FILTER)
    return re.compile(parser["Definition"]["failregex"].replace("<ADDR>", _ADDRESS))


def logged(user: str, address: str) -> str:
    """What twistd writes into its log when somebody gives a wrong password."""
    clock, written = Clock(), io.StringIO()
    observer = textFileLogObserver(written)
    globalLogPublisher.addObserver(observer)
    door = Door(clock, [InMemoryUsernamePasswordDatabaseDontUse()], Cost())
    Deferred.fromCoroutine(door.log_in(user, "wrong", address)).addErrback(lambda _: None)
    clock.advance(1)
    globalLogPublisher.removeObserver(observer)
    return written.getvalue()


def without_time(line: str) -> str:
    """As fail2ban compares a line of a file."""
    return re.sub(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", "", line)


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7"])
@pytest.mark.parametrize("user", ["ada", "o'hara", "x from 192.0.2.9", "né", "", 'a"b'])
def test_a_wrong_password_is_found_with_its_address(
    failed: re.Pattern[str], user: str, address: str
) -> None:
    (line,) = logged(user, address).splitlines()

    for seen in (without_time(line), f"host filesrv[4711]: {line}", f"host twistd[1]: {line}"):
        found = failed.search(seen)
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
    for line in re.split(r"[\n\r\x85\u2028]", logged(user, "192.0.2.7").rstrip("\n")):
        found = failed.search(without_time(line))
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
