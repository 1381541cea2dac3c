"""Who gets in, as the daemon's options have it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from filesrv.access.password_file import change_passwords
from filesrv.access.passwords import hash_password
from filesrv.service.options import Options
from tests.support.conversation import Conversation
from tests.support.daemon import Daemon


@pytest.fixture
def passwd(tmp_path: Path) -> Path:
    path = tmp_path / "passwd"
    change_passwords(str(path), "ada", hash_password(b"pw"))
    return path


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--auth", "nonsense"], "--auth nonsense: Auth plugin not recognized"),
        (["--auth", "file:/no/such"], "--auth file: /no/such: No such file"),
        (["--auth", "memory:ada:hunter2:bob"], "--auth memory: "),
        (["--anonymous", "write"], "--anonymous is read or none"),
        (["--anonymous", "read"], "--anonymous needs --auth"),
        (["--homes"], "--homes needs --auth"),
        (["--allow-plain-login"], "--allow-plain-login needs --auth"),
        (["--rights", "/no/such"], "--rights /no/such: No such file"),
        (["--login-attempts", "0"], "--login-attempts takes"),
        (["--login-delay", "31"], "--login-delay takes"),
        (["--login-block", "0"], "--login-block takes"),
    ],
)
def test_what_cannot_be_is_said_in_one_line_without_passwords(given: list[str], words: str) -> None:
    with pytest.raises(SystemExit) as ended:
        Options().parseOptions(given)
    said = str(ended.value.code)
    assert said.startswith(f"filesrv: {words}")
    assert "hunter2" not in said


def test_a_fault_of_the_rights_is_said_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rights"
    path.write_text("[/]\n\nada = raed\n")
    with pytest.raises(SystemExit) as ended:
        Options().parseOptions(["--rights", str(path)])
    assert "rights, line 3: raed is no right" in str(ended.value.code)


def test_a_daemon_lets_users_in_and_reads_its_files_again(tmp_path: Path, passwd: Path) -> None:
    rights = tmp_path / "rights"
    rights.write_text("[/]\nada = all\n")
    options = (f"--auth=file:{passwd}", f"--rights={rights}", "--login-delay=0.01")
    with Daemon(tmp_path / "root", *options) as daemon:
        daemon.wait_for_log("whoever reaches this server has to log in")
        with Conversation(daemon.port) as client:
            assert client.ask("LIST").startswith("ERR LOGIN_REQUIRED ")
            assert client.ask("LOGIN ada wrong").startswith("ERR LOGIN_FAILED ")
            daemon.wait_for_log("login failed for 'ada' from 127.0.0.1")
            assert client.ask("LOGIN ada pw") == "OK"
            assert client.ask("DELETE x").startswith("ERR NOT_FOUND ")

            change_passwords(str(passwd), "bob", hash_password(b"his"))
            assert client.ask("LOGIN bob his") == "OK"
            assert client.ask("DELETE x").startswith("ERR DENIED ")

            rights.write_text("[/]\nbob = all\n")
            os.kill(daemon.pid, signal.SIGHUP)
            daemon.wait_for_log("read rights again")
            assert client.ask("DELETE x").startswith("ERR NOT_FOUND ")
            mark = daemon.mark()
            rights.write_text("[/]\nbob = nothing\n")
            os.kill(daemon.pid, signal.SIGHUP)
            daemon.wait_for_log("rights stay as they were: ", mark)
            assert client.ask("DELETE x").startswith("ERR NOT_FOUND ")


def test_homes_are_made_when_they_are_needed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    with Daemon(root, "--auth=memory:ada:pw", "--homes", "--anonymous=read") as daemon:
        assert os.listdir(root / "homes") == ["anonymous"]
        with Conversation(daemon.port) as client:
            assert client.ask("LIST") == "OK lines=0"
            assert client.ask("LOGIN ada pw") == "OK"
            assert client.ask("LIST") == "OK lines=0"
            client.ask("UPLOAD x 0")
            assert client.line().startswith("OK stored=x ")
        assert (root / "homes/ada/x").is_file()
