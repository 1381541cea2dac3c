"""The door: who comes in, how long that takes, and how many may knock."""

from __future__ import annotations

import re
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.cred.checkers import ICredentialsChecker, InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.credentials import IUsernamePassword
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent
from zope.interface import implementer

from filesrv.access.checkers import HashedPasswords
from filesrv.access.door import MOST_WAITING, Door
from filesrv.access.password_file import PasswordFile, change_passwords
from filesrv.access.passwords import hash_password
from filesrv.access.penalties import Cost
from filesrv.wire.errors import FilesrvError, TooManyConnections
from tests.support.logs import collecting

HERE = "192.0.2.1"

#: Seconds that a check takes by the clock of these tests; a float has it exactly.
CHECK = 1 / 32


class Checks:
    """Counts the checks of hashes, lets time pass with each, and calls C{pw} right."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.count = 0

    def __call__(self, kept: str, password: bytes) -> bool:
        self.count += 1
        self.clock.rightNow += CHECK
        return password == b"pw"


class Site:
    """A door with users from a file, and what came of those who knocked."""

    def __init__(self, path: Path, *more: ICredentialsChecker) -> None:
        self.clock = Clock()
        self.checks = Checks(self.clock)
        for user in ("ada", "bob"):
            change_passwords(str(path), user, hash_password(b"pw"))
        checker = HashedPasswords(PasswordFile(str(path)), self.checks)
        self.door = Door(self.clock, [checker, *more], Cost())
        self.said: list[tuple[float, str | FilesrvError]] = []

    def knock(self, user: str, password: str, address: str = HERE) -> None:
        """Try to come in; L{said} will have when what was said."""
        knocking: Coroutine[Any, Any, str] = self.door.log_in(user, password, address)
        deferred = Deferred.fromCoroutine(knocking)
        deferred.addCallbacks(self._say, lambda failure: self._say(failure.value))

    def _say(self, what: str | FilesrvError) -> None:
        self.said.append((self.clock.seconds(), what))

    def pass_time(self, seconds: float = 60.0) -> None:
        for _ in range(round(seconds / CHECK)):
            self.clock.advance(CHECK)

    @property
    def answers(self) -> list[str]:
        return [what if isinstance(what, str) else what.code for _, what in self.said]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "passwd")


@pytest.fixture
def logged() -> Iterator[list[LogEvent]]:
    with collecting() as log:
        yield log.events


def test_the_right_password_lets_its_user_in_at_once(site: Site) -> None:
    site.knock("ada", "pw")

    assert site.said == [(CHECK, "ada")]


def test_a_wrong_user_costs_as_many_checks_as_a_wrong_password(site: Site) -> None:
    site.knock("ada", "wrong")
    site.pass_time()
    assert site.checks.count == 1
    site.knock("nobody", "wrong")
    site.pass_time()
    assert site.checks.count == 2
    site.knock("no/name \udcff", "pw")
    site.pass_time()
    assert site.checks.count == 3


def test_nothing_that_is_said_tells_a_wrong_user_from_a_wrong_password(site: Site) -> None:
    started = []
    for user, address in (("ada", HERE), ("nobody", "192.0.2.2"), ("../x", "192.0.2.3")):
        started.append(site.clock.seconds())
        site.knock(user, "wrong", address)
        site.pass_time()

    took = [round(when - start, 6) for start, (when, _) in zip(started, site.said, strict=True)]
    assert took == [1.0, 1.0, 1.0]
    assert len({str(error) for _, error in site.said}) == 1


def test_wrong_passwords_are_told_later_each_time_and_then_not_even_looked_at(site: Site) -> None:
    for _ in range(5):
        site.knock("ada", "wrong")
        site.pass_time(20)
    assert site.checks.count == 5
    site.knock("ada", "pw")
    site.pass_time(40)

    assert site.checks.count == 5
    assert site.answers == ["LOGIN_FAILED"] * 6
    assert str(site.said[0][1]) == str(site.said[-1][1])
    site.pass_time(300)
    site.knock("ada", "pw")
    assert site.answers[-1] == "ada"


def test_guesses_that_come_all_at_once_are_not_all_looked_at(site: Site) -> None:
    for _ in range(50):
        site.knock("ada", "wrong")
    site.pass_time()

    assert site.checks.count == 5
    assert site.answers == ["LOGIN_FAILED"] * 50


def test_many_logins_leave_half_of_the_thread_to_others(site: Site) -> None:
    """Between two checks passes as much time as one takes."""
    for number in range(10):
        site.knock("ada", "pw", f"192.0.2.{number}")
        assert site.checks.count == 1
    counts = []
    for _ in range(10):
        site.clock.advance(CHECK)
        counts.append(site.checks.count)

    assert counts == [*range(2, 11), 10]
    assert site.answers == ["ada"] * 10


def test_more_than_may_wait_are_sent_away_for_now(site: Site) -> None:
    for number in range(MOST_WAITING + 3):
        site.knock("ada", "pw", f"10.0.0.{number}")
    assert site.answers == ["ada"] + ["TOO_MANY_CONNECTIONS"] * 2
    site.pass_time()

    assert site.answers.count("ada") == MOST_WAITING + 1
    assert isinstance(site.said[1][1], TooManyConnections)


def test_several_methods_are_tried_one_after_the_other(tmp_path: Path) -> None:
    memory = InMemoryUsernamePasswordDatabaseDontUse(eve=b"hers", ada=b"other")
    site = Site(tmp_path / "passwd", memory)
    for user, password in (("eve", "hers"), ("ada", "other"), ("ada", "pw"), ("eve", "pw")):
        site.knock(user, password)
        site.pass_time()

    assert site.answers == ["eve", "ada", "ada", "LOGIN_FAILED"]


def test_a_name_that_a_plugin_knows_but_that_could_leave_the_root_is_nobodys(
    tmp_path: Path,
) -> None:
    memory = InMemoryUsernamePasswordDatabaseDontUse()
    memory.users = dict.fromkeys((b"..", b"a/b", b".filesrv", b"anonymous", b"a\nb"), b"x")
    site = Site(tmp_path / "passwd", memory)
    for name in memory.users:
        site.knock(name.decode(), "x")
    site.pass_time()

    assert site.answers == ["LOGIN_FAILED"] * 5


@implementer(ICredentialsChecker)
class Broken:
    """A plugin that fails, and says too much."""

    credentialInterfaces = (IUsernamePassword,)  # noqa: N815

    def requestAvatarId(self, credentials: Any) -> Any:
        raise RuntimeError(f"no answer for {credentials.password!r}")


def test_a_method_that_fails_lets_nobody_in_and_keeps_others_from_nothing(
    tmp_path: Path, logged: list[LogEvent]
) -> None:
    site = Site(tmp_path / "passwd", Broken())
    site.knock("ada", "pw")
    site.knock("ada", "hunter2")
    site.pass_time()

    assert site.answers == ["ada", "LOGIN_FAILED"]
    lines = [formatEvent(event) for event in logged]
    assert "a password could not be checked: RuntimeError" in lines
    assert not any("hunter2" in line for line in lines)
    assert all(event.get("log_failure") is None for event in logged)


def test_the_log_says_who_failed_from_where_and_never_the_password(
    site: Site, logged: list[LogEvent]
) -> None:
    site.knock("ada", "hunter2")
    site.pass_time()

    assert [formatEvent(event) for event in logged] == [f"login failed for 'ada' from {HERE}"]
    assert "hunter2" not in repr([dict(event, log_logger="") for event in logged])


@pytest.mark.parametrize(
    "user",
    ["x\nlogin failed for 'y' from 192.0.2.9", "x' from 192.0.2.9", "\r\x1b[2J\x85\u2028\x00"],
)
def test_no_name_can_put_words_into_the_log(site: Site, logged: list[LogEvent], user: str) -> None:
    site.knock(user, "x")
    site.pass_time()

    (line,) = (formatEvent(event) for event in logged)
    assert line.isprintable()
    found = re.fullmatch(r"login failed for .* from (\S+)", line)
    assert found is not None
    assert found[1] == HERE


def test_a_method_that_takes_its_time_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    waiting: list[Deferred[bytes]] = []

    @implementer(ICredentialsChecker)
    class Slow:
        credentialInterfaces = (IUsernamePassword,)  # noqa: N815

        def requestAvatarId(self, credentials: Any) -> Any:
            waiting.append(Deferred())
            return waiting[-1]

    site = Site(tmp_path / "passwd", Slow())
    site.knock("eve", "hers")
    site.pass_time(1)
    site.knock("ada", "pw")
    site.pass_time(1)
    assert site.answers == ["ada"]
    waiting[0].callback(b"eve")
    assert site.answers == ["ada", "eve"]


def test_one_address_does_not_keep_the_others_out(site: Site) -> None:
    """Who has an account and logs in over and over gets no more turns than anybody else."""
    for _ in range(MOST_WAITING + 1):
        site.knock("bob", "pw")
    site.knock("ada", "pw", "192.0.2.7")
    site.knock("ada", "pw", "192.0.2.8")
    assert site.answers == ["bob"] + ["TOO_MANY_CONNECTIONS"] * 2
    site.clock.advance(CHECK)
    for _ in range(4):
        site.knock("bob", "pw")
        site.clock.advance(CHECK)

    assert site.answers.count("ada") == 2
    assert "ada" not in site.answers[-2:]
