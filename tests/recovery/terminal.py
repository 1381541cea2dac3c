"""
What a person sees of an outage: the real client in a terminal, which tmux(1) keeps and
photographs.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.recovery.scenarios import LEEWAY, Settings
from tests.recovery.site import PORT, Site, file_of, same
from tests.support.daemon import environment, program
from tests.support.network import SERVER, wait_until

__all__ = ["Seen", "see_healed_while_asked", "see_yes_then_no"]

_MIB = 1024 * 1024
_SIZE = 24 * _MIB
_MEGABITS, _MEGABITS_AFTERWARDS = 20, 200
_AT_MOST = 60.0

#: Seconds between two pictures: each starts a process.
_PICTURE_EVERY = 0.2

_QUESTION = "Go on trying? [Y/n]"
_RECONNECTING = re.compile(r"reconnecting \(\d+\), will ask at (\d\d:\d\d:\d\d)")
_TROUBLE = re.compile(r"(?:nothing moves|reconnecting \(\d+\)), will ask at \d\d:")
_PERCENT = re.compile(r" (\d+)%")


class Terminal:
    """
    A shell of the client's host in a terminal; as a context manager, within the block.

    @ivar percents: of the bar, in the order of time, each time that it had changed.
    """

    _COLUMNS, _ROWS = 100, 16

    def __init__(self, site: Site) -> None:
        self._socket = f"filesrv-{secrets.token_hex(4)}"
        self.percents: list[int] = []
        home = site.place / "home"
        home.mkdir(exist_ok=True)
        size = ("-x", str(self._COLUMNS), "-y", str(self._ROWS))
        bash = ("env", "PS1=$ ", "bash", "--norc", "--noprofile", "-i")
        self._tmux(
            *("new-session", "-d", *size, "-c", str(home)),
            *site.network.command(site.network.client, *bash),
            env=environment(
                HOME=str(home),
                XDG_STATE_HOME=str(home / "state"),
                PATH=f"{Path(program('filesrv')).parent}:{os.environ['PATH']}",
                FILESRV_SERVER=f"{SERVER}:{PORT}",
                LC_ALL="C.UTF-8",
                TERM="xterm-256color",
            ),
        )
        self.wait_for(lambda screen: screen.startswith("$"), _AT_MOST)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._tmux("kill-server")

    def _tmux(self, *words: str, env: dict[str, str] | None = None) -> str:
        command = ["tmux", "-L", self._socket, "-f", "/dev/null", "-u", *words]
        return subprocess.run(
            command, env=env, stdout=subprocess.PIPE, text=True, check=True
        ).stdout

    def type(self, line: str) -> None:
        """A line, and Enter."""
        self._tmux("send-keys", "-l", line)
        self._tmux("send-keys", "Enter")

    def screen(self) -> str:
        """What stands there now, without the empty lines at the end."""
        lines = self._tmux("capture-pane", "-p").splitlines()
        screen = "\n".join(line.rstrip() for line in lines).rstrip()
        percents = [int(found) for found in _PERCENT.findall(screen)][-1:]
        if percents != self.percents[-1:]:
            self.percents += percents
        return screen

    def wait_for(self, condition: Callable[[str], object], seconds: float) -> str:
        """
        The first picture for which C{condition} holds.

        @raise AssertionError: so long there was none.
        """
        screen = ""

        def holds() -> bool:
            nonlocal screen
            screen = self.screen()
            return bool(condition(screen))

        try:
            wait_until(holds, seconds, "the screen", every=_PICTURE_EVERY)
        except AssertionError:
            print(screen)
            raise
        return screen


@dataclass
class Seen:
    """
    @ivar screens: the pictures, by what they show.
    @ivar percents: of L{Terminal}.
    @ivar asked: seconds from the cut to each question.
    @ivar late: seconds from the announced moment of the first question to it.
    @ivar status: the client's exit status.
    @ivar kept: bytes that the server holds in the end.
    @ivar arrived: whether all of it arrived.
    """

    screens: dict[str, str] = field(default_factory=dict)
    percents: list[int] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    late: float = 0.0
    status: int | None = None
    kept: int = 0
    arrived: bool = False


class _Seeing:
    """One outage in a terminal, from the first byte to the question."""

    def __init__(self, settings: Settings, site: Site, terminal: Terminal) -> None:
        self.settings = settings
        self.site = site
        self.terminal = terminal
        self.seen = Seen(percents=terminal.percents)
        self._cut = 0.0

    def begin(self, command: str) -> None:
        settings = self.settings
        self.terminal.type(
            f"filesrv {command} --dead-after {settings.dead_after:g} "
            f"--patience {settings.patience:g}"
        )
        self.seen.screens["before"] = self.terminal.wait_for(
            lambda screen: re.search(r" [2-9]\d% .*MB/s", screen.replace("MiB/s", "MB/s")), _AT_MOST
        )

    def break_off(self) -> None:
        self._cut = time.monotonic()
        self.site.network.black_hole()
        longest = self.settings.dead_after + LEEWAY + _AT_MOST
        self.seen.screens["nothing moves"] = self.terminal.wait_for(_TROUBLE.search, longest)
        during = self.terminal.wait_for(_RECONNECTING.search, longest)
        self.seen.screens["noticed"] = during
        found = _RECONNECTING.search(during)
        assert found is not None
        self._announced = found[1]

    def ask(self, which: str) -> None:
        """Wait for the next question."""
        count = len(self.seen.asked) + 1
        screen = self.terminal.wait_for(
            lambda screen: screen.count(_QUESTION) >= count, self.settings.patience + _AT_MOST
        )
        self.seen.screens[which] = screen
        self.seen.asked.append(time.monotonic() - self._cut)
        if count == 1:
            now = time.localtime()
            seconds = [int(part) for part in self._announced.split(":")]
            said = seconds[0] * 3600 + seconds[1] * 60 + seconds[2]
            self.seen.late = (now.tm_hour * 3600 + now.tm_min * 60 + now.tm_sec - said) % 86400

    def end(self, which: str) -> None:
        """Wait for the prompt and ask for the status."""
        self.terminal.wait_for(lambda screen: screen.splitlines()[-1] == "$", 2 * _AT_MOST)
        self.terminal.type("echo $?")
        screen = self.terminal.wait_for(
            lambda screen: re.search(r"echo \$\?\n\d+\n\$$", screen), _AT_MOST
        )
        self.seen.screens[which] = screen
        self.seen.status = int(screen.splitlines()[-2])


def see_yes_then_no(settings: Settings, place: Path) -> Seen:
    """An upload loses its path; the first question is answered with yes, the second with no."""
    times = {"dead_after": settings.dead_after, "stall_timeout": settings.stall_timeout}
    with Site(place, megabits=_MEGABITS, **times) as site, Terminal(site) as terminal:
        file_of(place / "home" / "holiday.mp4", _SIZE)
        seeing = _Seeing(settings, site, terminal)
        seeing.begin("upload holiday.mp4")
        seeing.break_off()
        seeing.ask("asked")
        terminal.type("y")
        seeing.seen.screens["yes"] = terminal.wait_for(
            lambda screen: _RECONNECTING.search(screen.splitlines()[-1]), _AT_MOST
        )
        seeing.ask("asked again")
        terminal.type("n")
        seeing.end("no")
        (partial,) = site.daemon.partials
        seeing.seen.kept = partial.stat().st_size
    return seeing.seen


def see_healed_while_asked(settings: Settings, place: Path) -> Seen:
    """A download loses its path, which heals while the question stands there."""
    times = {"dead_after": settings.dead_after, "stall_timeout": settings.stall_timeout}
    with Site(place, megabits=_MEGABITS, **times) as site, Terminal(site) as terminal:
        file_of(site.daemon.root / "holiday.mp4", _SIZE)
        seeing = _Seeing(settings, site, terminal)
        seeing.begin("download holiday.mp4")
        seeing.break_off()
        seeing.ask("asked")
        site.network.heal()
        seeing.seen.screens["healed"] = terminal.wait_for(
            lambda screen: "B/s" in screen.splitlines()[-1], _AT_MOST
        )
        site.network.set_rate(_MEGABITS_AFTERWARDS)
        seeing.end("after")
        paths = (place / "home" / "holiday.mp4", site.daemon.root / "holiday.mp4")
        seeing.seen.arrived = same(*paths)
    return seeing.seen
