"""The real telnet, typed into on a terminal, and the real daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from filesrv.server.commands import COMMANDS
from tests.support.conversation import Conversation
from tests.support.daemon import Daemon
from tests.support.telnet import Telnet


def greeted(daemon: Daemon, host: str = "localhost") -> Telnet:
    telnet = Telnet(daemon.port, host)
    assert telnet.line().startswith("OK filesrv ")
    return telnet


def test_somebody_who_types_is_greeted_answered_and_dismissed(daemon: Daemon) -> None:
    with greeted(daemon) as telnet:
        assert telnet.ask("echo  as   it was typed") == " as   it was typed"
        assert telnet.ask("TIME")[:2] == "20"
        assert telnet.ask("NONSENSE").startswith("ERR UNKNOWN_COMMAND")
        assert telnet.ask("QUIT") == "OK bye"
        assert telnet.end() == ["Connection closed by foreign host."]
    daemon.wait_for_log("left: closed")


@pytest.mark.parametrize("verb", ["CLOSE", "EXIT", "QUIT", "quit"])
def test_each_word_that_says_goodbye_closes_the_connection(daemon: Daemon, verb: str) -> None:
    with greeted(daemon) as telnet:
        assert telnet.ask(verb) == "OK bye"
        assert telnet.end() == ["Connection closed by foreign host."]


def test_help_names_every_command(daemon: Daemon) -> None:
    with greeted(daemon) as telnet:
        assert telnet.ask("HELP") == f"OK lines={len(COMMANDS)}"
        assert [line.split()[0] for line in telnet.lines(len(COMMANDS))] == list(COMMANDS)


def test_a_text_is_uploaded_by_typing_and_downloaded_by_reading(
    daemon: Daemon,
) -> None:
    with greeted(daemon) as telnet:
        assert telnet.ask('UPLOAD "two words.txt" 14') == "OK offset=0 length=14"
        telnet.type("hello")  # and CR LF
        telnet.type("world")
        assert telnet.line().startswith('OK stored="two words.txt" size=14 received=14 seconds=')
        assert (daemon.root / "two words.txt").read_bytes() == b"hello\r\nworld\r\n"
        assert telnet.ask('DOWNLOAD "two words.txt" 7').startswith("OK offset=7 length=7 size=14")
        assert telnet.line() == "world"
        assert telnet.line().startswith("OK sent=7 seconds=")


def test_an_upload_goes_on_after_telnet_was_quit_in_the_middle(daemon: Daemon) -> None:
    with greeted(daemon) as telnet:
        assert telnet.ask("UPLOAD poem.txt 12") == "OK offset=0 length=12"
        telnet.type("roses")
        telnet.escape("quit")
        assert telnet.end() == ["Connection closed."]
    daemon.wait_for_log("left: ")
    with greeted(daemon) as telnet:
        assert telnet.ask("PENDING") == "OK lines=1"
        assert telnet.line().startswith("upload 7 12 ")
        assert telnet.ask("UPLOAD poem.txt 12").startswith("OK offset=7 length=5")
        telnet.type("red")
        assert telnet.line().startswith("OK stored=poem.txt size=12 received=5 ")
    assert (daemon.root / "poem.txt").read_bytes() == b"roses\r\nred\r\n"


def test_files_are_listed_renamed_hashed_and_deleted(daemon: Daemon) -> None:
    with greeted(daemon) as telnet:
        telnet.ask("UPLOAD a/b.txt 4")
        telnet.type("hi")
        telnet.line()
        assert telnet.ask("LIST") == "OK lines=1"
        assert telnet.line().endswith(" a/")
        assert telnet.ask('RENAME a/b.txt "c d.txt"') == "OK"
        assert telnet.ask('HASH "c d.txt"').endswith(" size=4")
        assert telnet.ask('STAT "c d.txt"').startswith("OK size=4 modified=20")
        assert telnet.ask('DELETE "c d.txt"') == "OK"
        assert telnet.ask('DELETE "c d.txt"').startswith("ERR NOT_FOUND")
        assert telnet.ask("DISCARD a/b.txt").startswith("ERR NOT_FOUND")
        assert telnet.ask("HELLO 0123456789abcdef") == "OK client=0123456789abcdef"


def test_ctrl_c_breaks_neither_the_session_nor_the_screen(daemon: Daemon) -> None:
    with greeted(daemon) as telnet:
        for _ in range(2):
            telnet.interrupt()
            assert telnet.ask("ECHO still here") == "still here"


@pytest.mark.parametrize(
    "command", ["send ayt", "send brk", "send ip", "send nop", "send do 5", "send dont 3"]
)
def test_what_telnet_says_for_itself_is_no_part_of_a_command(daemon: Daemon, command: str) -> None:
    with greeted(daemon) as telnet:
        telnet.escape(command)
        assert telnet.ask("ECHO still here") == "still here"


def test_a_telnet_that_is_killed_leaves_no_connection_behind(daemon: Daemon) -> None:
    with greeted(daemon) as telnet:
        assert telnet.ask("UPLOAD half.bin 100") == "OK offset=0 length=100"
    assert "left: " in daemon.wait_for_log("left: ")
    with Conversation(daemon.port) as other:
        assert other.ask("ECHO the server is well") == "the server is well"


def test_telnet_reaches_the_daemon_over_both_families(tmp_path: Path) -> None:
    with Daemon(tmp_path / "root", ports=["0"]) as daemon:
        for host in ("127.0.0.1", "::1"):
            with greeted(daemon, host) as telnet:
                assert telnet.ask("ECHO hello") == "hello"
                telnet.ask("QUIT")
                telnet.end()
        daemon.wait_for_log("client 127.0.0.1(")
        daemon.wait_for_log("client ::1(")
