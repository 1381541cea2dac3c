"""Sending lines to an echo over UDP: without a socket, and with a real daemon."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from filesrv.client.address import ServerAddress
from filesrv.client.console import Console
from filesrv.client.errors import CannotConnect, ClientError
from filesrv.client.input_lines import TooLong
from filesrv.client.udp_echo import EchoRun
from filesrv.wire.datagrams import RATE
from tests.support.daemon import PATIENCE, Daemon, environment, program
from tests.support.hand_reactor import HandReactor

SERVER = ServerAddress("echo.example", 9007)


class Typed:
    """Lines that a test types."""

    def __init__(self, *lines: bytes | TooLong | None) -> None:
        self._lines = list(lines)
        self._wanted: Deferred[None] | None = None

    def type(self, *lines: bytes | None) -> None:
        self._lines += lines
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            wanted.callback(None)

    async def next(self) -> bytes | None:
        while not self._lines:
            self._wanted = Deferred()
            await self._wanted
        line = self._lines.pop(0)
        if isinstance(line, TooLong):
            raise line
        return line


class Paper:
    """A socket that writes down what is sent."""

    def __init__(self, address: str, run: EchoRun) -> None:
        self.address = address
        self.run = run
        self.sent: list[bytes] = []
        self.closed = False
        self.problem: OSError | None = None

    def send(self, data: bytes) -> None:
        self.sent.append(data)
        if self.problem is not None:
            raise self.problem

    def close(self) -> None:
        self.closed = True


class Scene:
    """One run, its lines, its sockets and what it says."""

    def __init__(
        self,
        *lines: bytes | TooLong | None,
        addresses: tuple[str, ...] = ("here",),
        stdout: Any = None,
        unreachable: tuple[str, ...] = (),
        **console: bool,
    ) -> None:
        self.reactor = HandReactor()
        self.stdout = stdout or io.StringIO()
        self.stderr = io.StringIO()
        self.typed = Typed(*lines)
        self.sockets: list[Paper] = []
        self._unreachable = unreachable
        shown = Console(io.StringIO(), self.stdout, self.stderr, **console)
        known: Any = addresses
        run = EchoRun(self.reactor, shown, SERVER, known, 2.0, self._connect)
        self.results: list[Any] = []
        self.reactor.advance(1.0)  # What may be sent in a second has been saved up.
        lines_typed: Any = self.typed
        self.running = Deferred.fromCoroutine(run.send_lines(lines_typed))
        self.running.addBoth(self.results.append)
        self.settle()

    def _connect(self, reactor: Any, address: str, run: Any) -> Paper:
        if address in self._unreachable:
            raise OSError(101, "Network is unreachable")
        self.sockets.append(Paper(address, run))
        return self.sockets[-1]

    @property
    def socket(self) -> Paper:
        return self.sockets[-1]

    def type(self, *lines: bytes | None) -> None:
        """Have the person type, and what can happen at once happen."""
        self.typed.type(*lines)
        self.settle()

    def settle(self) -> None:
        """Several turns of the reactor, in no time."""
        for _ in range(10):
            self.reactor.advance(0)

    def answer(self, *answers: bytes, after: float = 0.0) -> None:
        self.reactor.advance(after)
        for data in answers:
            self.socket.run.answered(data)
        self.settle()

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds * 100)):
            self.reactor.advance(0.01)

    @property
    def said(self) -> list[str]:
        return str(self.stdout.getvalue()).splitlines()

    @property
    def complained(self) -> list[str]:
        return self.stderr.getvalue().splitlines()

    @property
    def error(self) -> Any:
        (result,) = self.results
        return result.value if isinstance(result, Failure) else result


Play = Callable[..., Scene]


@pytest.fixture
def play() -> Iterator[Play]:
    """Begins a scene, which ends with the test."""
    scenes: list[Scene] = []

    def begin(*lines: Any, **more: Any) -> Scene:
        scenes.append(Scene(*lines, **more))
        return scenes[-1]

    yield begin
    for scene in scenes:
        scene.running.cancel()


def test_each_line_is_a_datagram_and_comes_back_with_its_time(play: Play) -> None:
    scene = play(b"hello")
    assert scene.socket.sent == [b"hello"]
    scene.answer(b"hello", after=0.0125)
    assert scene.said == ["   12.500 ms  hello"]
    scene.type(b"")
    assert scene.socket.sent == [b"hello", b""]
    scene.answer(b"", after=0.0005)
    scene.type(None)
    assert scene.said[1:] == [
        "    0.500 ms  ",
        "2 sent, 2 received, 0 lost; round trip min/median/max 0.500/6.500/12.500 ms",
    ]
    assert scene.error is None
    assert scene.socket.closed
    assert not scene.reactor.getDelayedCalls()


def test_a_pipe_is_not_held_up_by_a_lost_datagram(play: Play) -> None:
    scene = play(b"a", b"b", b"c", None)
    assert scene.socket.sent == [b"a", b"b", b"c"]
    scene.answer(b"c", b"a", after=0.25)
    assert not scene.results
    scene.pass_time(2)
    assert scene.complained == ["filesrv: no answer in 2 s: b"]
    assert scene.said[-1].startswith("3 sent, 2 received, 1 lost; ")
    assert scene.error is None


def test_what_is_sent_keeps_to_what_servers_answer(play: Play) -> None:
    scene = play(*[b"%d" % number for number in range(1000)], None)
    scene.pass_time(1)
    assert len(scene.socket.sent) <= RATE / 1024 * 1.3  # with what was saved up
    seen = 0
    while not scene.results:
        scene.answer(*scene.socket.sent[seen:])
        seen = len(scene.socket.sent)
        scene.pass_time(0.1)
    assert len(scene.socket.sent) == 1000
    assert scene.reactor.seconds() < 10


def test_nobody_at_all_is_status_75_after_the_timeout(play: Play) -> None:
    scene = play(b"a", None)
    scene.pass_time(2.1)
    assert isinstance(scene.error, CannotConnect)
    assert str(scene.error) == "nobody answered at echo.example:9007"
    assert scene.said == ["1 sent, 0 received, 1 lost"]


def test_what_comes_late_is_shown_as_late_and_not_lost(play: Play) -> None:
    scene = play(b"slow")
    scene.pass_time(2.5)
    scene.answer(b"slow")
    scene.type(None)
    assert scene.complained == ["filesrv: no answer in 2 s: slow"]
    assert re.fullmatch(r" 2[45]\d\d\.\d{3} ms  slow  \(late\)", scene.said[0])
    assert scene.said[1].startswith("1 sent, 1 received, 0 lost")
    assert scene.error is None


def test_what_comes_twice_or_was_never_sent_does_not_count(play: Play) -> None:
    scene = play(b"a")
    scene.answer(b"a", b"a", b"b\x1b[2J")
    scene.type(None)
    assert scene.complained == ["filesrv: came twice: a", "filesrv: came unasked: b\\x1b[2J"]
    assert scene.said[-1].startswith("1 sent, 1 received, 0 lost")


def test_a_terminal_is_shown_nothing_that_it_would_obey(play: Play) -> None:
    scene = play(b"\x1b[2J\xff")
    scene.answer(b"\x1b[2J\xff")
    assert scene.said == ["    0.000 ms  \\x1b[2J\\xff"]


def test_a_long_datagram_is_cut_short_in_a_message(play: Play) -> None:
    scene = play(b"x" * 60_000, None)
    scene.pass_time(3)
    assert scene.complained == [f"filesrv: no answer in 2 s: {'x' * 40}… (60,000 bytes)"]


def test_an_empty_datagram_has_a_name_in_a_message(play: Play) -> None:
    scene = play(b"", None)
    scene.pass_time(3)
    assert scene.complained == ["filesrv: no answer in 2 s: an empty datagram"]


def test_a_line_that_is_too_long_is_said_and_not_sent(play: Play) -> None:
    scene = play(TooLong(), b"a")
    scene.answer(b"a")
    scene.type(None)
    assert scene.complained == ["filesrv: a datagram takes 65,507 bytes at most"]
    assert scene.socket.sent == [b"a"]
    assert isinstance(scene.error, ClientError)
    assert not isinstance(scene.error, CannotConnect)


def test_the_next_address_is_tried_where_nobody_listens(play: Play) -> None:
    scene = play(b"a", b"b", addresses=("six", "four"))
    scene.settle()
    scene.socket.run.refused("Connection refused")
    scene.socket.run.refused("Connection refused")  # for the second one
    scene.settle()
    assert [paper.address for paper in scene.sockets] == ["six", "four"]
    assert scene.sockets[0].closed
    assert scene.socket.sent == [b"a", b"b"]
    scene.answer(b"a", b"b", after=0.5)
    scene.type(None)
    assert scene.said[0] == "  500.000 ms  a"
    assert scene.said[-1].startswith("2 sent, 2 received, 0 lost")
    assert scene.error is None


def test_an_address_without_a_way_to_it_is_passed_over(play: Play) -> None:
    scene = play(b"a", addresses=("six", "four"), unreachable=("six",))
    assert scene.socket.address == "four"
    assert scene.socket.sent == [b"a"]
    scene.type(None)
    scene.answer(b"a")
    assert scene.error is None


def test_no_way_to_any_address_is_status_75_at_once(play: Play) -> None:
    scene = play(b"a", addresses=("six", "four"), unreachable=("six", "four"))
    assert str(scene.error) == "echo.example:9007: Network is unreachable"
    assert isinstance(scene.error, CannotConnect)
    assert not scene.reactor.getDelayedCalls()


def test_nobody_listening_at_any_address_ends_it_while_the_person_still_types(play: Play) -> None:
    scene = play(b"a")
    scene.socket.run.refused("Connection refused")
    scene.settle()
    assert str(scene.error) == "echo.example:9007: Connection refused"
    assert scene.said == ["1 sent, 0 received, 1 lost"]
    assert not scene.reactor.getDelayedCalls()


def test_a_server_that_goes_and_comes_back_is_spoken_to_again(play: Play) -> None:
    scene = play(b"one")
    scene.answer(b"one")
    scene.socket.problem = ConnectionRefusedError(111, "Connection refused")
    scene.type(b"two")
    assert scene.complained == ["filesrv: Connection refused: two"]
    scene.socket.problem = None
    scene.pass_time(0.1)
    scene.type(b"three")
    scene.answer(b"three")
    scene.type(None)
    assert scene.said[-1].startswith("3 sent, 2 received, 1 lost")
    assert scene.error is None


def test_who_interrupts_it_still_gets_the_sum(play: Play) -> None:
    scene = play(b"a")
    scene.answer(b"a")
    scene.type(b"b")
    scene.running.cancel()
    assert isinstance(scene.error, CancelledError)
    assert scene.said[-1].startswith("2 sent, 1 received, 1 lost")
    assert not scene.reactor.getDelayedCalls()


class Unread(io.StringIO):
    """A pipe that nobody reads any more."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_it_ends_when_nobody_reads_what_comes_back(play: Play) -> None:
    scene = play(b"a", stdout=Unread())
    scene.answer(b"a")
    assert isinstance(scene.error, BrokenPipeError)


def test_for_programs_it_is_said_in_json(play: Play) -> None:
    scene = play(b"a", b"b", as_json=True)
    scene.answer(b"a", after=0.5)
    scene.pass_time(2)
    scene.type(None)
    assert [json.loads(line) for line in scene.said] == [
        {"answer": "a", "milliseconds": 500.0, "late": False},
        {
            "sent": 2,
            "received": 1,
            "lost": 1,
            "milliseconds": {"least": 500.0, "median": 500.0, "most": 500.0},
        },
    ]
    assert scene.complained == ["filesrv: no answer in 2 s: b"]


def test_who_wants_it_quiet_is_told_what_came_back_and_what_went_wrong(play: Play) -> None:
    scene = play(b"a", b"b", quiet=True)
    scene.answer(b"a", b"a")
    scene.pass_time(2.1)
    scene.type(None)
    assert scene.said == ["    0.000 ms  a"]
    assert scene.complained == ["filesrv: no answer in 2 s: b"]


# With the real command, and a real daemon.


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Of a real daemon's echo."""
    with Daemon(tmp_path / "root", "--udp-echo", "0") as daemon:
        yield int(daemon.addresses[1].rpartition(":")[2])


def command(*words: str, stdin: bytes | Any, cwd: Path) -> subprocess.CompletedProcess[str]:
    given = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
    ended = subprocess.run(
        [program("filesrv"), "udp-echo", *words],
        cwd=cwd,
        env=environment(HOME=str(cwd)),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
        **given,
    )
    return subprocess.CompletedProcess(
        ended.args, ended.returncode, ended.stdout.decode(), ended.stderr.decode()
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "localhost"])
def test_the_command_reads_a_pipe(port: int, tmp_path: Path, host: str) -> None:
    ended = command(host, str(port), stdin="hällo\n\nworld".encode(), cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    *lines, summary = ended.stdout.splitlines()
    assert [line.partition(" ms  ")[2] for line in lines] == ["hällo", "", "world"]
    assert re.fullmatch(
        r"3 sent, 3 received, 0 lost; round trip min/median/max [\d.]+/[\d.]+/[\d.]+ ms", summary
    )


def test_the_command_reads_a_file_and_sends_the_largest_datagram(port: int, tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"x" * 65507 + b"\n" + b"y" * 65508 + b"\nend")
    with open(tmp_path / "lines", "rb") as file:
        ended = command("localhost", str(port), stdin=file, cwd=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "filesrv: a datagram takes 65,507 bytes at most",
        "filesrv: 1 lines were too long to be sent",
    ]
    first, second, _ = ended.stdout.splitlines()
    assert first.endswith(" ms  " + "x" * 65507)
    assert second.endswith(" ms  end")


def test_the_command_says_that_nobody_listens(tmp_path: Path) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        number = str(free.getsockname()[1])
    ended = command("127.0.0.1", number, stdin=b"hello\n", cwd=tmp_path)
    assert ended.returncode == 75
    assert ended.stderr == f"filesrv: 127.0.0.1:{number}: Connection refused\n"
    assert ended.stdout == "1 sent, 0 received, 1 lost\n"


def test_the_command_does_not_wait_for_ever_for_who_says_nothing(tmp_path: Path) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        number = str(silent.getsockname()[1])
        ended = command("127.0.0.1", number, "--timeout", "0.1", stdin=b"hello\n", cwd=tmp_path)
    assert ended.returncode == 75
    assert ended.stderr.splitlines() == [
        "filesrv: no answer in 0.1 s: hello",
        f"filesrv: nobody answered at 127.0.0.1:{number}",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["localhost"],
        ["localhost", "0"],
        ["localhost", "65536"],
        ["localhost", "nine"],
        ["localhost", "9007", "--timeout", "0"],
        ["localhost", "9007", "--timeout", "soon"],
        ["localhost", "9007", "--timeout", "nan"],
        ["", "9007"],
        ["localhost", "9007", "more"],
    ],
)
def test_wrong_usage_is_status_2(tmp_path: Path, words: list[str]) -> None:
    from filesrv.client.cli import main

    said, complained = io.StringIO(), io.StringIO()
    status = main(["udp-echo", *words], stdin=io.StringIO(), stdout=said, stderr=complained)
    assert (status, said.getvalue()) == (2, "")
    assert complained.getvalue().startswith("filesrv: ")


def person(port: int, cwd: Path) -> Any:
    return pexpect.spawn(
        program("filesrv"),
        ["udp-echo", "localhost", str(port)],
        cwd=str(cwd),
        env={**environment(HOME=str(cwd)), "TERM": "dumb"},
        timeout=PATIENCE,
        encoding="utf-8",
    )


@pytest.mark.parametrize(
    ("end", "status"),
    [(lambda child: child.sendeof(), 0), (lambda child: child.sendintr(), 130)],
    ids=["Ctrl-D", "Ctrl-C"],
)
def test_a_person_types_and_ends_it(
    port: int, tmp_path: Path, end: Callable[[Any], None], status: int
) -> None:
    child = person(port, tmp_path)
    child.expect("each line is sent as a datagram; Ctrl-D ends")
    for line in ("hello", "again"):
        child.sendline(line)
        child.expect(rf"[\d.]+ ms  {line}\r\n")
    end(child)
    child.expect(r"2 sent, 2 received, 0 lost; round trip min/median/max [\d./]+ ms")
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == status


def test_a_signal_to_the_command_in_a_pipe_ends_it_with_the_sum(port: int, tmp_path: Path) -> None:
    child = subprocess.Popen(
        [program("filesrv"), "udp-echo", "localhost", str(port)],
        cwd=tmp_path,
        env=environment(HOME=str(tmp_path)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    os.write(child.stdin.fileno(), b"hello\n")
    assert child.stdout.readline().endswith(b" ms  hello\n")
    child.send_signal(signal.SIGINT)
    child.wait(PATIENCE)  # communicate() closes its stdin, which would be another end
    rest, _ = child.communicate(timeout=PATIENCE)
    assert rest.startswith(b"1 sent, 1 received, 0 lost")
    assert child.returncode == 130
