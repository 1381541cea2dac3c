"""Logging in: by the library over a network in memory, and by the command to a daemon."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Generator
from pathlib import Path

import pexpect
import pytest
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.internet.defer import Deferred

from filesrv.access.door import Door
from filesrv.access.penalties import Cost
from filesrv.access.rights import Right
from filesrv.client.connection import Connection
from filesrv.client.errors import PlainLogin
from filesrv.client.journal import Journal
from filesrv.client.login import Login
from filesrv.client.recovery import Recovery
from filesrv.client.uploads import Upload, Uploads
from filesrv.wire.errors import LoginFailed, LoginRequired
from tests.client.commands import Commands
from tests.client.network import MIB, Network, Notes
from tests.support.daemon import PATIENCE, Daemon, program

PASSWORD = 'my "pass word"'


@pytest.fixture
def guarded(network: Network) -> Network:
    """A server that lets in ada alone, also from afar."""
    access = network.server.shelves.access
    checker = InMemoryUsernamePasswordDatabaseDontUse(ada=PASSWORD.encode())
    access.door = Door(network.reactor, [checker], Cost())
    access.anonymous = Right.NONE
    access.plain_login = True
    return network


def recovery_of(network: Network, login: Login) -> Recovery:
    def connect() -> Deferred[Connection]:
        made: Deferred[Connection] = network.connect()
        return made.addCallback(lambda one: Deferred.fromCoroutine(login.over(one)))

    recovery = network.recovery()
    recovery._connect = connect
    return recovery


class TestLibrary:
    def test_it_logs_in_again_whenever_the_connection_comes_back(
        self, guarded: Network, tmp_path: Path
    ) -> None:
        content = os.urandom(2 * MIB)
        (tmp_path / "big").write_bytes(content)
        guarded.cuts_up = [MIB, MIB + MIB // 2]
        recovery = recovery_of(guarded, Login("ada", PASSWORD, plain=True))
        (tmp_path / "journal").mkdir()
        journal = Journal(tmp_path / "journal", "there")
        uploads = Uploads(guarded.reactor, recovery, Notes(), journal)

        guarded.run(uploads.run([Upload(str(tmp_path / "big"), "big")]))

        assert guarded.connections == 3
        assert guarded.server.files() == {"big": content}

    def test_a_wrong_password_is_said_and_not_tried_again(self, guarded: Network) -> None:
        recovery = recovery_of(guarded, Login("ada", "wrong", plain=True))
        with pytest.raises(LoginFailed):
            guarded.run(recovery.run(Connection.list))
        assert guarded.connections == 1
        assert not guarded.server.factory.connections

    @pytest.mark.parametrize(("host", "sent"), [("198.51.100.1", False), ("127.0.0.1", True)])
    def test_a_password_is_not_sent_where_others_can_listen(
        self, guarded: Network, host: str, sent: bool
    ) -> None:
        guarded.host = host
        recovery = recovery_of(guarded, Login("ada", PASSWORD))
        if sent:
            assert guarded.run(recovery.run(Connection.list)) == []
            return
        with pytest.raises(PlainLogin):
            guarded.run(recovery.run(Connection.list))
        assert guarded.connections == 1

    def test_without_it_the_server_says_that_it_wants_one(self, guarded: Network) -> None:
        with pytest.raises(LoginRequired):
            guarded.run(guarded.recovery().run(Connection.list))

    def test_a_password_does_not_show(self) -> None:
        assert PASSWORD not in repr(Login("ada", PASSWORD))


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Generator[Daemon]:
    place = tmp_path_factory.mktemp("accounts")
    with Daemon(place / "root", "--auth", "memory:ada:pw", "--login-delay=0") as daemon:
        yield daemon


@pytest.fixture
def user(tmp_path: Path, daemon: Daemon) -> Commands:
    return Commands(tmp_path, daemon)


class TestCommand:
    def test_the_password_is_in_the_environment_or_in_a_file(self, user: Commands) -> None:
        environment = {**user.environment, "FILESRV_PASSWORD": "pw", "FILESRV_USER": "ada"}
        user.run("list", env=environment)
        (user.here / "secret").write_text("pw\nnot this\n")
        user.run("--user", "ada", "--password-file=secret", "list")

    def test_a_wrong_one_is_exit_status_1_and_without_one_2(self, user: Commands) -> None:
        environment = {**user.environment, "FILESRV_PASSWORD": "hunter2"}
        _, err = user.run("list", "--user=ada", status=1, env=environment)
        assert err.endswith("(LOGIN_FAILED)\n")
        assert "hunter2" not in err
        _, err = user.run("list", "--user=ada", status=2)
        assert "FILESRV_PASSWORD, or --password-file FILE" in err
        _, err = user.run("list", status=1)
        assert err.endswith("(LOGIN_REQUIRED)\n")

    def test_it_is_asked_for_at_a_terminal_and_does_not_show(self, user: Commands) -> None:
        person = pexpect.spawn(
            program("filesrv"),
            ["--user", "ada", "pending", "--json"],
            env=user.environment,
            cwd=str(user.here),
            timeout=PATIENCE,
            encoding="utf-8",
        )
        person.expect("Password of ada: ")
        person.sendline("pw")
        person.expect(pexpect.EOF)
        person.close()

        assert person.exitstatus == 0
        assert "pw" not in person.before


class TestPasswd:
    def passwd(self, *words: str, cwd: Path) -> pexpect.spawn:
        return pexpect.spawn(
            program("filesrv"), ["passwd", *words], cwd=str(cwd), timeout=PATIENCE, encoding="utf-8"
        )

    def test_at_a_terminal_the_password_is_asked_for_twice(self, tmp_path: Path) -> None:
        person = self.passwd("users", "ada", cwd=tmp_path)
        for typed in ("one", "two", "hunter2", "hunter2"):
            person.expect("(?i)(password|confirmation)[^:]*: ")
            person.sendline(typed)
        person.expect(pexpect.EOF)
        person.close()

        assert person.exitstatus == 0
        file = tmp_path / "users"
        assert re.fullmatch(r"ada:\$argon2id\$v=19\$m=19456,t=2,p=1\$\S+\n", file.read_text())
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_a_script_gives_it_by_a_pipe(self, user: Commands) -> None:
        user.run("passwd", "users", "ada", "--stdin", stdin=b"pw\n")
        user.run("passwd", "users", "bob", "--stdin", stdin=b"pw\n")
        user.run("passwd", "users", "ada", "--delete")

        assert (user.here / "users").read_text().startswith("bob:$argon2id$")
        _, err = user.run("passwd", "users", "ada", "--delete", status=1)
        assert err == "filesrv: users: there is no user ada\n"

    @pytest.mark.parametrize(
        ("words", "stdin"),
        [
            (("users", "a/b", "--stdin"), b"pw\n"),
            (("users", "anonymous", "--stdin"), b"pw\n"),
            (("users", "ada", "--stdin"), b"\n"),
            (("users", "ada", "--stdin"), b"p\x1bw\n"),
            (("users", "ada"), b"pw\n"),
        ],
    )
    def test_what_cannot_be_is_refused(
        self, user: Commands, words: tuple[str, ...], stdin: bytes
    ) -> None:
        user.run("passwd", *words, status=2, stdin=stdin)
        assert not (user.here / "users").exists()
