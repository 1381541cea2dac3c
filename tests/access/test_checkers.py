"""What ``--auth`` takes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import findCheckerFactory
from twisted.internet.defer import Deferred
from twisted.plugins.cred_unix import UNIXChecker
from twisted.python.failure import Failure
from twisted.python.usage import UsageError

from filesrv.access.checkers import AuthOptions, HashedPasswords
from filesrv.access.password_file import change_passwords
from filesrv.access.passwords import hash_password


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = str(tmp_path / "passwd")
    change_passwords(path, "ada", hash_password("pä:ss".encode()))
    return path


def known(checker: Any, user: bytes, password: bytes) -> object:
    """Who a checker says that is; L{None} if it knows nobody."""
    found: list[object] = []
    asked: Deferred[object] = checker.requestAvatarId(UsernamePassword(user, password))
    asked.addBoth(found.append)
    if isinstance(found[0], Failure):
        found[0].trap(UnauthorizedLogin)
        return None
    return found[0]


@pytest.mark.parametrize("kind", ["file", "filesrv"])
def test_a_file_of_filesrv_passwd_is_checked(path: str, kind: str) -> None:
    options = AuthOptions()
    options.opt_auth(f"{kind}:{path}")

    (checker,) = options.checkers
    assert isinstance(checker, HashedPasswords)
    assert known(checker, b"ada", "pä:ss".encode()) == b"ada"
    assert known(checker, b"ada", b"wrong") is None
    assert known(checker, b"bob", "pä:ss".encode()) is None


def test_any_twistd_service_can_use_it(path: str) -> None:
    checker = findCheckerFactory("filesrv").generateChecker(path)

    assert known(checker, b"ada", "pä:ss".encode()) == b"ada"


def test_users_and_passwords_on_the_command_line_are_known() -> None:
    options = AuthOptions()
    options.opt_auth("memory:ada:pw:bob:pä")

    (checker,) = options.checkers
    assert known(checker, b"ada", b"pw") == b"ada"
    assert known(checker, b"bob", "pä".encode()) == b"bob"
    assert known(checker, b"ada", "pä".encode()) is None


def test_several_are_kept_in_their_order(path: str) -> None:
    options = AuthOptions()
    options.opt_auth("unix")
    options.opt_auth(f"file:{path}")

    first, second = options.checkers
    assert isinstance(first, UNIXChecker)
    assert isinstance(second, HashedPasswords)


def test_a_file_of_plain_passwords_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "plain"
    path.write_text("ada:hunter2\n")
    with pytest.raises(UsageError, match=r"plain, line 1: .*no Argon2 hash") as caught:
        AuthOptions().opt_auth(f"file:{path}")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("description", ["nonsense:x", "file:/no/such/file", "memory:ada"])
def test_what_describes_nothing_is_refused(description: str) -> None:
    with pytest.raises(UsageError):
        AuthOptions().opt_auth(description)


def test_the_help_names_the_kinds_but_not_that_of_plain_passwords() -> None:
    options = AuthOptions()
    options.authOutput = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        options.opt_help_auth()
    assert ended.value.code == 0
    kinds = {line.split()[0] for line in options.authOutput.getvalue().splitlines() if line}
    assert {"filesrv", "memory", "unix"} <= kinds
    assert "file" not in kinds


@pytest.mark.parametrize("kind", ["file", "filesrv"])
def test_the_help_of_a_kind_says_what_it_is(kind: str) -> None:
    options = AuthOptions()
    options.authOutput = io.StringIO()
    with pytest.raises(SystemExit):
        options.opt_help_auth_type(kind)
    assert "filesrv passwd" in options.authOutput.getvalue()
