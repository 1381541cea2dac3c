"""Asking for the time: real servers of loopback, and the real command."""

from __future__ import annotations

import io
import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from filesrv.client.address import ServerAddress
from filesrv.client.cli import main
from filesrv.client.connecting import CONNECT_TIMEOUT
from filesrv.client.daytime import DaytimeReader, Difference, difference, fetch
from filesrv.client.errors import CannotConnect, ConnectionEnded
from filesrv.wire.daytime import daytime_line
from filesrv.wire.replies import MalformedReply
from tests.support.daemon import PATIENCE, Daemon, environment, program

MOMENT = 1795174245.0
LINE = "Friday, November 20, 2026 12:30:45+01:00"


@pytest.mark.parametrize(
    ("asked", "answered", "ahead", "uncertainty"),
    [
        (MOMENT, MOMENT + 1, 0.0, 1.0),
        (MOMENT + 0.5, MOMENT + 0.5, 0.0, 0.5),
        (MOMENT - 3600, MOMENT - 3600, 3600.5, 0.5),
        (MOMENT + 100, MOMENT + 104, -101.5, 2.5),
        (MOMENT, MOMENT - 5, 3.0, 0.5),  # this clock was set back meanwhile
    ],
)
def test_the_difference_is_as_exact_as_the_line_and_the_way_allow(
    asked: float, answered: float, ahead: float, uncertainty: float
) -> None:
    assert difference(LINE, asked, answered) == Difference(ahead, uncertainty)


def test_the_difference_is_said_for_people() -> None:
    assert str(Difference(0.2, 0.5)) == (
        "the server's clock and this one agree, give or take 0.5 s"
    )
    assert str(Difference(3600.04, 0.5)) == (
        "the server's clock is 3,600.0 s ahead of this one, give or take 0.5 s"
    )
    assert str(Difference(-2.0, 0.51)) == (
        "the server's clock is 2.0 s behind this one, give or take 0.5 s"
    )


def test_a_time_in_another_form_has_no_difference() -> None:
    with pytest.raises(MalformedReply, match="form of its own"):
        difference("61000 26-11-20 11:30:45 00 0 0", MOMENT, MOMENT)


Serve = Callable[..., int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A server of a test's own: what it says, and how it ends."""
    threads: list[Thread] = []
    listeners: list[socket.socket] = []

    def begin(said: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(PATIENCE)
        listeners.append(listener)

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(said)

        threads.append(Thread(target=answer))
        threads[-1].start()
        return int(listener.getsockname()[1])

    yield begin
    for thread in threads:
        thread.join()
    for listener in listeners:
        listener.close()


def ask(cwd: Path, *words: object, **env: str) -> tuple[int, list[str], list[str]]:
    """What the command says, and how it ends."""
    ended = subprocess.run(
        [program("filesrv"), "daytime", *map(str, words)],
        cwd=cwd,
        env=environment(HOME=str(cwd), **env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return ended.returncode, ended.stdout.splitlines(), ended.stderr.splitlines()


def test_the_line_of_a_real_daemon_is_shown_and_compared(tmp_path: Path) -> None:
    with Daemon(tmp_path / "root", "--daytime", "0", env={"TZ": "<+0545>-5:45"}) as daemon:
        port = daemon.addresses[1].rpartition(":")[2]
        for host in ("localhost", "127.0.0.1", "::1"):
            status, (line, words), errors = ask(tmp_path, host, port, "--difference")
            assert (status, errors) == (0, [])
            assert line.endswith("+05:45")
            # Half of the way there and back comes to the half second of the line.
            assert re.match(r"the server's clock and this one agree, give or take \d\.\d s", words)
        status, (line,), errors = ask(tmp_path, "--json", "localhost", port, "--difference")
        found = json.loads(line)
        assert set(found) == {"said", "ahead", "uncertainty"}
        assert abs(found["ahead"]) <= found["uncertainty"] + 0.1


def test_without_the_difference_any_line_will_do(serve: Serve, tmp_path: Path) -> None:
    nist = b"\n61000 26-11-20 11:30:45 00 0 0 100.0 UTC(NIST) * \n"
    shown = "61000 26-11-20 11:30:45 00 0 0 100.0 UTC(NIST) *"
    assert ask(tmp_path, "127.0.0.1", serve(nist)) == (0, [shown], [])
    assert ask(tmp_path, "127.0.0.1", serve(nist), "--difference") == (
        1,
        [shown],
        ["filesrv: no difference: this server writes its time in a form of its own"],
    )


def test_a_server_that_is_fast_is_said_to_be(serve: Serve, tmp_path: Path) -> None:
    line = daytime_line(time.time() + 3600).encode() + b"\r\n"
    status, (_, words), _ = ask(tmp_path, "127.0.0.1", serve(line), "--difference")
    assert status == 0
    assert words.startswith("the server's clock is 3,")
    assert " s ahead of this one, give or take " in words


def test_what_a_terminal_would_obey_is_escaped(serve: Serve, tmp_path: Path) -> None:
    port = serve(b"\x1b]0;owned\x07 12 o'clock \xff\r\n")
    assert ask(tmp_path, "127.0.0.1", port)[1] == ["\\x1b]0;owned\\x07 12 o'clock \\xff"]


def test_a_server_without_a_word_is_said_to_be(serve: Serve, tmp_path: Path) -> None:
    port = serve(b"")
    assert ask(tmp_path, "127.0.0.1", port) == (
        75,
        [],
        [f"filesrv: 127.0.0.1:{port} closed without telling the time"],
    )


def test_a_server_with_too_many_words_is_none_that_tells_the_time(
    serve: Serve, tmp_path: Path
) -> None:
    status, said, errors = ask(tmp_path, "127.0.0.1", serve(b"x" * 2000))
    assert (status, said) == (1, [])
    assert errors == ["filesrv: that is no server that tells the time"]


def begin_fetch() -> tuple[MemoryReactorClock, Deferred[str]]:
    reactor = MemoryReactorClock()
    return reactor, Deferred.fromCoroutine(fetch(reactor, ServerAddress("192.0.2.1", 13)))


def connected(reactor: MemoryReactorClock) -> tuple[DaytimeReader, StringTransport]:
    """The connection that is waited for comes about."""
    ((_, _, factory, _, _),) = reactor.tcpClients
    protocol: Any = factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 13))
    transport = StringTransport()
    protocol.makeConnection(transport)
    return protocol, transport


def test_who_does_not_answer_is_not_waited_for_without_end() -> None:
    reactor, fetched = begin_fetch()
    reactor.advance(CONNECT_TIMEOUT)
    problem = failure_of(fetched)
    assert isinstance(problem, CannotConnect)
    assert str(problem) == "192.0.2.1:13 has told no time in 12 s"


def test_who_answers_and_never_closes_is_not_waited_for_without_end() -> None:
    reactor, fetched = begin_fetch()
    protocol, transport = connected(reactor)
    protocol.dataReceived(b"OK filesrv 1 ready\r\n")
    reactor.advance(CONNECT_TIMEOUT)
    assert isinstance(failure_of(fetched), CannotConnect)
    assert transport.disconnected


def failure_of(fetched: Deferred[str]) -> BaseException:
    found: list[Any] = []
    fetched.addErrback(found.append)
    return found[0].value  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("said", "reason", "ends"),
    [
        ([b"noon\r\n"], ConnectionDone(), b"noon\r\n"),
        ([b"no", b"on"], ConnectionDone(), b"noon"),
        ([b"noon\r\n"], ConnectionLost(), b"noon\r\n"),
        ([b"Friday, Nov"], ConnectionLost(), ConnectionEnded),
        ([], ConnectionLost(), ConnectionEnded),
        ([b"x" * 1000, b"x" * 1000], ConnectionDone(), MalformedReply),
    ],
)
def test_a_line_counts_that_is_whole_however_the_connection_ended(
    said: list[bytes], reason: Exception, ends: bytes | type[Exception]
) -> None:
    reader = DaytimeReader()
    reader.makeConnection(StringTransport())
    for data in said:
        reader.dataReceived(data)
    reader.connectionLost(Failure(reason))
    found: list[Any] = []
    reader.said.addBoth(found.append)
    if isinstance(ends, bytes):
        assert found == [ends]
    else:
        assert found[0].check(ends)


def test_where_nobody_answers_the_status_is_75(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    status, said, errors = ask(tmp_path, "127.0.0.1", port)
    assert (status, said) == (75, [])
    assert errors == [f"filesrv: cannot connect to 127.0.0.1:{port}: the connection was refused"]
    status, said, errors = ask(tmp_path, "no.such.host.invalid")
    assert (status, said, len(errors)) == (75, [], 1)
    assert errors[0].startswith("filesrv: no address for no.such.host.invalid: ")


@pytest.mark.parametrize(
    "words", [[], [""], ["localhost", "0"], ["localhost", "65536"], ["localhost", "13", "more"]]
)
def test_wrong_usage_is_status_2(words: list[str]) -> None:
    said, complained = io.StringIO(), io.StringIO()
    status = main(["daytime", *words], stdin=io.StringIO(), stdout=said, stderr=complained)
    assert (status, said.getvalue()) == (2, "")
    assert complained.getvalue().startswith("filesrv: ")
