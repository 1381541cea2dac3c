"""
What a person sees of transfers on a terminal: a bar, and above it the final lines.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, Task, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text
from twisted.internet.task import LoopingCall

from filesrv.client.console import Console, printable
from filesrv.client.lines import Lines, clock_time
from filesrv.client.recovery import Trouble
from filesrv.client.report import Journey, Summary
from filesrv.transfer.meter import format_size

__all__ = ["Bar"]

#: Seconds between two pictures of the bar.
_PICTURE_EVERY = 0.1

#: Seconds over which the rate is measured: calm enough to be read, quick to follow.
_RATE_OVER = 5.0

#: Characters of a file's name in the bar.
_NAME_WIDTH = 28


class _Narrower(Progress):
    """Leaves room at the end of the line: what a terminal echoes of Ctrl-C would wrap there."""

    def make_tasks_table(self, tasks: Iterable[Task]) -> Table:
        table = super().make_tasks_table(tasks)
        if hasattr(self, "live"):  # which is made from the first table
            table.width = max(1, self.console.width - len("^C "))
        return table


class Bar(Lines):
    """
    The same with a bar at the foot of the terminal.

    It is drawn by the reactor's own clock: a progress bar of the usual kind would start
    a thread.
    """

    def __init__(self, reactor: Any, console: Console, final: str, **more: bool) -> None:
        super().__init__(console, final, **more)
        self._clock = reactor
        self._files = 1
        self._files_done = 0
        self._known_size: int | None = None
        self._positions: dict[Journey, int] = {}
        self._name = ""
        self._trouble: Trouble | None = None
        self._moved = 0
        self._samples: deque[tuple[float, int]] = deque([(reactor.seconds(), 0)])
        self._progress = _Narrower(
            TextColumn("{task.fields[name]}", markup=False),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("{task.fields[state]}", markup=False),
            console=RichConsole(file=console.stderr, highlight=False),
            auto_refresh=False,
            expand=True,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._progress.add_task("", total=None, name="", state="")
        self._pictures = LoopingCall(self.draw)
        self._pictures.clock = reactor
        self.resume()

    def expect(self, files: int, size: int | None) -> None:
        self._files, self._known_size = files, size

    def began(self, journey: Journey) -> None:
        self._name = journey.name
        self._positions[journey] = journey.position

    def advanced(self, journey: Journey, count: int) -> None:
        self._name = journey.name
        self._positions[journey] = journey.position
        self._moved += count

    def done(self, summary: Summary) -> None:
        self._files_done += 1
        super().done(summary)

    def trouble(self, trouble: Trouble | None) -> None:
        self._trouble = trouble
        self.draw()

    def pause(self) -> None:
        if self._pictures.running:
            self._pictures.stop()
            self._progress.stop()

    def resume(self) -> None:
        if not self._pictures.running:
            self._progress.start()
            self._pictures.start(_PICTURE_EVERY)

    def close(self) -> None:
        self.pause()

    def draw(self) -> None:
        """One picture."""
        position = sum(self._positions.values())
        total = self._known_size
        if total is None and self._files == 1:
            total = sum(journey.size for journey in self._positions) or None
        self._progress.update(
            self._task,
            total=total,
            completed=position,
            name=self._shown_name(),
            state=self._state(position, total),
        )
        if self._pictures.running:
            self._progress.refresh()

    def _shown_name(self) -> str:
        name = printable(self._name)
        if len(name) > _NAME_WIDTH:
            name = f"…{name[1 - _NAME_WIDTH :]}"
        if self._files == 1:
            return name
        return f"{min(self._files_done + 1, self._files)}/{self._files} {name}"

    def _state(self, position: int, total: int | None) -> str:
        if self._trouble is not None:
            return _trouble_state(self._trouble, self.final)
        rate = self._rate()
        parts = [format_size(position), f"{format_size(rate)}/s"]
        if total is not None and rate > 0:
            parts.append(_duration((total - position) / rate))
        return "  ".join(parts)

    def _rate(self) -> float:
        """Bytes a second of late."""
        now = self._clock.seconds()
        self._samples.append((now, self._moved))
        while len(self._samples) > 2 and self._samples[0][0] < now - _RATE_OVER:
            self._samples.popleft()
        began, moved = self._samples[0]
        rate: float = (self._moved - moved) / max(now - began, _PICTURE_EVERY)
        return rate

    def _line(self, text: str) -> None:
        if self._pictures.running and (self._lines_to_stderr or self.console.stdout.isatty()):
            self._above(printable(text))
        else:
            super()._line(text)

    def _say(self, words: str, error: bool = False) -> None:
        if self._pictures.running:
            self._above(f"filesrv: {printable(words)}")
        else:
            super()._say(words, error)

    def _above(self, text: str) -> None:
        self._progress.console.print(Text(text), soft_wrap=True)


def _trouble_state(trouble: Trouble, final: str) -> str:
    what = f"reconnecting ({trouble.attempt})" if trouble.attempt else "nothing moves"
    return f"{what}, will {final} at {clock_time(trouble.asks_at)}"


def _duration(seconds: float) -> str:
    """C{0:05} or C{1:02:03}; what takes days is not known so well."""
    if seconds >= 100 * 3600:
        return "days"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
