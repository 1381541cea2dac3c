"""
What is told of transfers where there is no bar: a final line for each file.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timezone

from filesrv.client.console import Console, printable
from filesrv.client.outcomes import explain
from filesrv.client.recovery import Trouble
from filesrv.client.report import Report, Summary
from filesrv.transfer.meter import format_bitrate

__all__ = ["Lines", "clock_time", "summary_line"]


def summary_line(summary: Summary) -> str:
    """C{report.pdf  1000 bytes in 0.004 s, 2.0Mbit/s}."""
    rate = format_bitrate(summary.moved * 8 / max(summary.seconds, 1e-6))
    now = "" if summary.moved == summary.size else f", {summary.moved} of them now,"
    return f"{summary.name}  {summary.size} bytes{now} in {summary.seconds:.3f} s, {rate}"


def clock_time(seconds: float) -> str:
    """A moment, in seconds since the epoch, as a clock on the wall shows it."""
    return datetime.fromtimestamp(seconds, timezone.utc).astimezone().strftime("%H:%M:%S")


class Lines(Report):
    """A line for each file that is done; what goes wrong, on stderr."""

    def __init__(self, console: Console, final: str, *, lines_to_stderr: bool = False) -> None:
        """
        @param final: what comes when the patience ends: C{ask}, C{stop} or C{say so}.
        @param lines_to_stderr: stdout is for the file itself.
        """
        self.console = console
        self.final = final
        self._lines_to_stderr = lines_to_stderr
        self._troubled = False

    def done(self, summary: Summary) -> None:
        console = self.console
        if console.as_json:
            self._json(_summary_fields(summary))
        elif not console.quiet:
            self._line(summary_line(summary))

    def failed(self, name: str, error: Exception) -> None:
        message, _ = explain(error)
        self._say(f"{name}: {message}", error=True)
        if self.console.as_json:
            self._json({"name": name, "error": message})

    def note(self, words: str) -> None:
        self._say(words)

    def trouble(self, trouble: Trouble | None) -> None:
        # Once when it begins and once when it is over: nobody looks on.
        if trouble is None and self._troubled:
            self._say("going on")
        elif trouble is not None and not self._troubled:
            until = clock_time(trouble.asks_at)
            trying = "; trying again" if trouble.attempt else ""
            self._say(f"{trouble}{trying}, will {self.final} at {until}")
        self._troubled = trouble is not None

    def pause(self) -> None:
        """The terminal is needed for something else."""

    def resume(self) -> None:
        """It is free again."""

    def close(self) -> None:
        """Nothing more is to come."""

    def _json(self, value: object) -> None:
        # The transfer goes on when nobody reads of it any more.
        with suppress(BrokenPipeError):
            if not self._lines_to_stderr:
                self.console.json(value)

    def _line(self, text: str) -> None:
        with suppress(BrokenPipeError):
            if self._lines_to_stderr:
                self.console.stderr.write(f"{printable(text)}\n")
                self.console.stderr.flush()
            else:
                self.console.line(text)

    def _say(self, words: str, error: bool = False) -> None:
        (self.console.error if error else self.console.note)(words)


def _summary_fields(summary: Summary) -> dict[str, object]:
    return {
        "name": summary.name,
        "size": summary.size,
        "moved": summary.moved,
        "seconds": round(summary.seconds, 6),
        "bits_per_second": round(summary.moved * 8 / max(summary.seconds, 1e-6)),
    }
