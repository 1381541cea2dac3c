"""
What breaks, how soon each end notices, and how soon bytes flow again.

Every scenario has a network, a daemon and clients of its own, so that all of them can run
at once: most of their time is waiting.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.recovery.site import Run, Site, file_of, same, size_of
from tests.support.network import wait_until

__all__ = [
    "DEFAULT",
    "LEEWAY",
    "QUICK",
    "SCENARIOS",
    "Measured",
    "Scenario",
    "Settings",
    "measure_all",
]

#: Seconds that everything may take beyond what was set for it.
LEEWAY = 5.0

#: Both links of the router until all that was to be measured is: about 2.5 MB a second, so
#: that a transfer lasts; and then.
_MEGABITS = 20
_MEGABITS_AFTERWARDS = 400

_MIB = 1024 * 1024
_SIZE = 40 * _MIB
_BEGUN = 2 * _MIB

#: Seconds between two looks that start a process.
_LOOK = 0.1

#: The client's line on what is wrong.
_TROUBLE = re.compile(r", will say so at \d\d:")

#: Seconds after which whatever should have happened is a failure.
_AT_MOST = 60.0


@dataclass(frozen=True)
class Settings:
    """
    What both ends are told, in seconds.

    @ivar pause: how long a receiver takes nothing and is not to be dropped.
    """

    dead_after: float
    patience: float
    stall_timeout: float
    pause: float


#: What the daemon and the client do by default.
DEFAULT = Settings(dead_after=30, patience=90, stall_timeout=300, pause=65)

#: The shortest that can be set; a stall that is later than any death.
QUICK = Settings(dead_after=10, patience=30, stall_timeout=20, pause=25)


@dataclass
class Measured:
    """
    What came of a scenario; times in seconds.

    @ivar server_noticed: from the cut to the last of the daemon's lines on it.
    @ivar server_saw: the endings in them.
    @ivar client_noticed: from the cut to the last of the client's connections that it ended.
    @ivar client_saw: the client's line on it.
    @ivar gave_up: from the cut to the end of a client that was not to go on for ever.
    @ivar gave_up_status: its exit status.
    @ivar gave_up_words: the last that it said.
    @ivar kept: whether what it had was kept.
    @ivar flows: from the mending to the next byte at the receiver.
    @ivar after_try: to that byte from the connection that brought it.
    @ivar twice: bytes that were sent although the receiver had them.
    @ivar arrived: whether the file is there, and C{cmp} is silent.
    """

    server_noticed: float | None = None
    server_saw: list[str] = field(default_factory=list)
    client_noticed: float | None = None
    client_saw: str = ""
    gave_up: float | None = None
    gave_up_status: int | None = None
    gave_up_words: str = ""
    kept: bool = False
    flows: float | None = None
    after_try: float | None = None
    twice: int | None = None
    arrived: bool = False
    said: str = ""
    log: str = ""


def _nothing(site: Site) -> None:
    """It is mended by itself."""


@dataclass(frozen=True)
class Scenario:
    """
    One thing that can go wrong with a transfer.

    @ivar title: for the table.
    @ivar upload: which way it goes.
    @ivar cut: breaks it.
    @ivar mend: undoes that.
    @ivar seconds: how long to leave it so; L{None} until all who are to notice have.
    @ivar server_notices: whether the daemon is to see the end of the connection.
    @ivar client_notices: whether the client is to say that something is wrong.
    @ivar server_dies: whether the daemon ends without a word.
    @ivar reconnects: whether it takes another connection.
    @ivar gives_up: whether, meanwhile, the patience of another client may end.
    @ivar by_name: whether the client knows the server by name.
    @ivar server_patience: seconds after which the daemon takes a peer for dead, if it is
        not to be as soon as the client does.
    """

    title: str
    upload: bool
    cut: Callable[[Site], None]
    mend: Callable[[Site], None] = _nothing
    seconds: float | None = None
    server_notices: bool = True
    client_notices: bool = True
    server_dies: bool = False
    reconnects: bool = True
    gives_up: bool = True
    by_name: bool = False
    server_patience: float | None = None

    def measure(self, settings: Settings, place: Path) -> Measured:
        """
        Let it happen.

        @param place: a directory that does not exist yet.
        @raise AssertionError: somebody did not notice, or go on.
        """
        site = Site(
            place,
            dead_after=self.server_patience or settings.dead_after,
            stall_timeout=settings.stall_timeout,
            megabits=_MEGABITS,
        )
        with site:
            if self.by_name:
                site.network.name_server(_NAME)
            measuring = _Measuring(self, settings, site)
            try:
                return measuring.run()
            finally:
                measuring.resume_all()


_NAME = "files.example"


class _Measuring:
    """One scenario while it happens."""

    def __init__(self, scenario: Scenario, settings: Settings, site: Site) -> None:
        self.scenario = scenario
        self.settings = settings
        self.site = site
        self.result = Measured()
        self.partials: list[Path] = []

    def run(self) -> Measured:
        scenario, site, result = self.scenario, self.site, self.result
        main, held = self._transfer("big", "retry")
        runs = [main]
        other_held = held
        if scenario.gives_up:
            other, other_held = self._transfer("other", "stop")
            runs.append(other)
        wait_until(lambda: min(held(), other_held()) >= _BEGUN, _AT_MOST, "the first bytes")
        ends = site.network.client_ends()
        cut = time.monotonic()
        # What the daemon's log tells is there later, too; what the client's kernel tells is
        # not, and a daemon that is restarted takes its time to start.
        with ThreadPoolExecutor(1) as beside:
            notices = beside.submit(self._client_notices, cut, ends)
            scenario.cut(site)
            notices.result()
        if scenario.server_notices:
            self._server_notices(cut, len(runs))
        if scenario.gives_up:
            self._gives_up(runs[1], cut, other_held)
        if scenario.seconds is not None:
            time.sleep(max(0.0, cut + scenario.seconds - time.monotonic()))
        before = held()
        mark = site.daemon.mark()
        mended = cut if scenario.mend is _nothing else time.monotonic()
        scenario.mend(site)
        flows = self._flows(main, cut, lambda: held() > before)
        result.flows = max(0.0, flows - mended)
        tries = [at for at in site.log.when(r"\) connected") if cut < at <= flows]
        result.after_try = flows - tries[-1] if tries else None
        self._arrives(main)
        # An upload is counted by its receiver.  What a download delivered its daemon knows by
        # what was acknowledged, or takes with it, so there only what came later counts.
        counted = scenario.upload and not scenario.server_dies
        whole = counted or scenario.mend is _nothing or not scenario.reconnects
        mark, size = (0, _SIZE) if whole else (mark, _SIZE - before)
        # What still came in over the old connection makes it less than nothing.
        result.twice = max(0, sum(site.moved("big", mark)) - size)
        return result

    def _flows(self, main: Run, cut: float, grows: Callable[[], bool]) -> float:
        """When the next byte came."""
        if not self.scenario.reconnects:
            return wait_until(grows, self._longest, "bytes after the mending")
        # What was on its way all the time counts for nothing.
        wait_until(lambda: main.said.when("going on", cut), self._longest, "going on")
        return main.said.when("going on", cut)[0]

    @property
    def _longest(self) -> float:
        settings = self.settings
        return max(settings.dead_after, settings.stall_timeout, settings.patience) + _AT_MOST

    def _transfer(self, name: str, on_trouble: str) -> tuple[Run, Callable[[], int]]:
        """Start one, and tell how much of it the receiver holds."""
        site, settings = self.site, self.settings
        options = [
            f"--on-trouble={on_trouble}",
            f"--patience={settings.patience:g}",
            f"--dead-after={settings.dead_after:g}",
            f"--stall-timeout={settings.stall_timeout:g}",
        ]
        server = {"server": _NAME} if self.scenario.by_name else {}
        holes = on_trouble == "stop"  # It never arrives.
        if not self.scenario.upload:
            file_of(site.daemon.root / name, _SIZE, holes=holes)
            run = site.run("download", name, *options, **server)
            return run, lambda: size_of(site.place / "home" / f".{name}.filesrv-part")
        file_of(site.place / "home" / name, _SIZE, holes=holes)
        known = set(self._partials())
        run = site.run("upload", name, *options, **server)
        wait_until(lambda: set(self._partials()) - known, _AT_MOST, "the upload's beginning")
        (partial,) = set(self._partials()) - known
        self.partials.append(partial)
        return run, lambda: size_of(partial)

    def _partials(self) -> list[Path]:
        directory = self.site.daemon.state / "partial"
        return self.site.daemon.partials if directory.is_dir() else []

    def _client_notices(self, cut: float, ends: set[str]) -> None:
        """Wait until none of its connections stands any more for the client's kernel."""
        if not self.scenario.client_notices:
            return
        network = self.site.network
        gone = wait_until(
            lambda: not ends & network.client_ends(), self._longest, "the client's notice", _LOOK
        )
        self.result.client_noticed = gone - cut

    def _server_notices(self, cut: float, count: int) -> None:
        broken = self.site.broken
        wait_until(lambda: len(broken(cut)) >= count, self._longest, "the server's notice")
        left = broken(cut)[:count]
        self.result.server_noticed = max(at for at, _ in left) - cut
        self.result.server_saw = sorted({ending for _, ending in left})

    def _gives_up(self, run: Run, cut: float, held: Callable[[], int]) -> None:
        result = self.result
        result.gave_up_status = run.wait(self._longest)
        result.gave_up = run.ended - cut
        result.gave_up_words = run.said[-1] if run.said else ""
        result.kept = held() >= _BEGUN

    def _arrives(self, main: Run) -> None:
        site, result = self.site, self.result
        site.network.set_rate(_MEGABITS_AFTERWARDS)
        status = main.wait()
        assert status == 0, main.words
        result.arrived = same(site.place / "home" / "big", site.daemon.root / "big")
        # The line of the log comes a moment after the client has its reply.
        wait_until(lambda: site.log.when("load of big: .*, complete"), _AT_MOST, "the last line")
        result.client_saw = next((line for line in main.said if _TROUBLE.search(line)), "")
        result.said, result.log = main.words, "\n".join(site.log)

    def resume_all(self) -> None:
        """What was stopped can be ended only when it runs."""
        for run in self.site.runs:
            if run.status is None:
                run.process.send_signal(signal.SIGCONT)
        with contextlib.suppress(AssertionError):
            os.kill(self.site.daemon.pid, signal.SIGCONT)


# How things break.


def _hole(*destinations: str) -> Callable[[Site], None]:
    return lambda site: site.network.black_hole(*destinations)


def _heal(site: Site) -> None:
    site.network.heal()


def _interface_down(site: Site) -> None:
    site.network.interface_down()


def _interface_up(site: Site) -> None:
    site.network.interface_up()


def _kill(site: Site) -> None:
    site.daemon.kill()


def _start(site: Site) -> None:
    site.daemon.start()


def _restart(site: Site) -> None:
    site.daemon.restart()


def _stop_server(site: Site) -> None:
    os.kill(site.daemon.pid, signal.SIGSTOP)


def _continue_server(site: Site) -> None:
    os.kill(site.daemon.pid, signal.SIGCONT)


def _stop_client(site: Site) -> None:
    site.runs[0].process.send_signal(signal.SIGSTOP)


def _continue_client(site: Site) -> None:
    site.runs[0].process.send_signal(signal.SIGCONT)


def _forget_name(site: Site) -> None:
    site.network.name_server(None)
    site.network.reset()


def _know_name(site: Site) -> None:
    site.network.name_server(_NAME)


TRANSFERS = {
    "black hole, download": Scenario("path black-holed while downloading", False, _hole(), _heal),
    "black hole, upload": Scenario("path black-holed while uploading", True, _hole(), _heal),
    "one way, download": Scenario(
        "a NAT that forgot: nothing reaches the client, downloading", False, _hole("client"), _heal
    ),
    "other way, download": Scenario(
        "the same, nothing reaches the server, downloading", False, _hole("server"), _heal
    ),
    "one way, upload": Scenario(
        "the same, nothing reaches the client, uploading", True, _hole("client"), _heal
    ),
    "interface, download": Scenario(
        "interface down and up, downloading", False, _interface_down, _interface_up
    ),
    "cable, upload": Scenario(
        "cable pulled and plugged in, uploading",
        True,
        lambda site: site.network.pull_cable(),
        lambda site: site.network.plug_in(),
    ),
    "blink": Scenario(
        "interface down for 3 s, downloading",
        False,
        _interface_down,
        _interface_up,
        seconds=3.0,
        server_notices=False,
        client_notices=False,
        reconnects=False,
        gives_up=False,
    ),
    "reset": Scenario(
        "reset (RST), uploading", True, lambda site: site.network.reset(), gives_up=False
    ),
    "killed": Scenario(
        "server killed with -9 and started again, uploading",
        True,
        _kill,
        _start,
        server_notices=False,
        server_dies=True,
    ),
    "killed, download": Scenario(
        "server killed with -9 and started again, downloading",
        False,
        _kill,
        _start,
        server_notices=False,
        server_dies=True,
    ),
    "restarted": Scenario("server restarted, downloading", False, _restart, gives_up=False),
    "server stopped": Scenario(
        "server stopped (SIGSTOP) and continued, uploading",
        True,
        _stop_server,
        _continue_server,
        server_notices=False,
    ),
    "client stopped": Scenario(
        "client stopped (SIGSTOP) and continued, downloading",
        False,
        _stop_client,
        _continue_client,
        client_notices=False,
        gives_up=False,
    ),
    "moved": Scenario(
        "client's address changed, uploading",
        True,
        lambda site: site.network.move_client(),
        gives_up=False,
    ),
    "name": Scenario(
        "reset, and the name not resolving, downloading",
        False,
        _forget_name,
        _know_name,
        by_name=True,
    ),
    "takeover": Scenario(
        "black-holed; the server still believes in the old connection, uploading",
        True,
        _hole(),
        _heal,
        server_notices=False,
        gives_up=False,
        server_patience=300,
    ),
}


def measure_idle(settings: Settings, place: Path) -> Measured:
    """The path is black-holed while nothing is asked; then the shell is asked something."""
    result = Measured()
    times = {"dead_after": settings.dead_after, "stall_timeout": settings.stall_timeout}
    with Site(place, **times) as site:
        run = site.run(
            "shell",
            f"--dead-after={settings.dead_after:g}",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert run.process.stdin is not None
        assert run.process.stdout is not None

        def ask(line: str) -> str:
            assert run.process.stdin is not None
            assert run.process.stdout is not None
            run.process.stdin.write(f"{line}\n".encode())
            run.process.stdin.flush()
            answer: bytes = run.process.stdout.readline()
            return answer.decode()

        assert ask("echo one") == "one\n"
        network = site.network
        # Nothing is on its way any more, not even what says that it arrived.
        wait_until(lambda: network.is_quiet(network.server), _AT_MOST, "quiet")
        cut = time.monotonic()
        network.black_hole()
        longest = settings.dead_after + _AT_MOST
        gone = wait_until(lambda: not network.client_ends(), longest, "the client's notice", _LOOK)
        result.client_noticed = gone - cut
        wait_until(lambda: site.left(cut), longest, "the server's notice")
        at, ending = site.left(cut)[0]
        result.server_noticed, result.server_saw = at - cut, [ending]
        mended = time.monotonic()
        network.heal()
        result.arrived = ask("echo two") == "two\n"
        result.flows = time.monotonic() - mended
        result.after_try = time.monotonic() - site.log.when(r"\) connected", mended)[-1]
        run.process.stdin.close()
        run.process.stdout.close()
        assert run.wait() == 0, run.words
        result.said, result.log = run.words, "\n".join(site.log)
    return result


def measure_pause(settings: Settings, place: Path) -> Measured:
    """The reader of a download pauses; nobody is to end its connection for that."""
    result = Measured()
    with Site(place, dead_after=settings.dead_after, stall_timeout=10 * settings.pause) as site:
        file = file_of(site.daemon.root / "big", _SIZE)
        run = site.run(
            *("download", "big", "-o", "-", f"--dead-after={settings.dead_after:g}"),
            f"--patience={settings.patience:g}",
            stdout=subprocess.PIPE,
        )
        stdout = run.process.stdout
        assert stdout is not None
        read = stdout.read(65536)
        paused = time.monotonic()
        # What is waited for is that for so long nothing happens.
        with contextlib.suppress(AssertionError):
            wait_until(lambda: site.left(0.0) or run.noticed, settings.pause, "an end of it")
        assert not site.left(0.0), f"dropped after {time.monotonic() - paused:.1f} s"
        assert not run.noticed, run.words
        mended = time.monotonic()
        rest = stdout.read(65536)
        result.flows = time.monotonic() - mended
        read += rest + stdout.read()
        stdout.close()
        assert run.wait() == 0, run.words
        result.arrived = read == file.read_bytes()
        assert len(site.log.when(r"\) connected")) == 1
        result.twice = sum(site.moved("big")) - _SIZE
        result.said, result.log = run.words, "\n".join(site.log)
    return result


#: What is measured, by a short name: the title for the table, and how.
SCENARIOS: dict[str, tuple[str, Callable[[Settings, Path], Measured]]] = {
    **{key: (scenario.title, scenario.measure) for key, scenario in TRANSFERS.items()},
    "idle": ("path black-holed while idle", measure_idle),
    "pause": ("receiver paused, not dropped", measure_pause),
}


def measure_all(
    settings: Settings, place: Path, at_once: int
) -> tuple[ThreadPoolExecutor, dict[str, Future[Measured]]]:
    """Begin to measure everything, so many at once; the caller shuts the pool down."""
    pool = ThreadPoolExecutor(at_once)
    futures = {
        key: pool.submit(measure, settings, place / key.replace(", ", "-").replace(" ", "-"))
        for key, (_, measure) in SCENARIOS.items()
    }
    return pool, futures
