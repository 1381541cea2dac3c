"""
C{--on-stored}: a command that is run after a file was stored.

It is run at least once for each file: tried again after a failure, and after a crash of the
daemon, always with the same event id.  What becomes of it is logged, and is nothing to the
transfer.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from filesrv.server.events import Stored, Storing, Who
from filesrv.server.shelves import Shelves
from filesrv.watch.owed import Owed, Run
from filesrv.watch.process import Program, run_program
from filesrv.watch.shown import shown_client, shown_text
from filesrv.wire.errors import FilesrvError
from filesrv.wire.grammar import format_word
from filesrv.wire.times import NANOSECONDS, utc_time

__all__ = ["DELAYS", "Hook", "Hooks"]

#: Seconds before each further attempt.  What a restart of another service mends is mended
#: in a minute, what an administrator mends overnight; then it is given up.
DELAYS = (10.0, 60.0, 360.0, 2160.0, 12960.0, 21600.0, 21600.0)

#: Seconds after which a file that was to get its name has it, or does not.
_SETTLE_AFTER = 3600.0

#: Seconds beyond its time after which a run would be begun again, had it not ended.
_NEVER_ENDED = 60.0

#: Lines of output that are logged.
_LINES = 20

#: Variables of the daemon that a hook has, too: the others are nobody's business.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")


@dataclass(frozen=True)
class Hook:
    """
    What is run, and how.

    @ivar command: the program and its arguments.
    @ivar timeout: seconds.
    @ivar limit: how many may run at once.
    """

    command: Sequence[str]
    timeout: float
    limit: int


class Hooks:
    """The runs of one hook."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        shelves: Shelves,
        root: str,
        owed: Owed,
        hook: Hook,
        ran: Callable[[str], object] = lambda _: None,
    ) -> None:
        """
        @param ran: told how each run ended.
        """
        self._reactor = reactor
        self._shelves = shelves
        self._root = root
        self._owed = owed
        self._hook = hook
        self._ran = ran
        self._running: dict[str, Program] = {}
        self._wake: IDelayedCall | None = None
        self._settling = LoopingCall(self._settle, _SETTLE_AFTER)
        self._settling.clock = reactor

    def start(self) -> None:
        """Run what is owed from before, and from now on what is stored."""
        self._settle(0.0)
        with suppress(FilesrvError):
            self._owed.all_due(self._reactor.seconds())
        self._shelves.events.subscribe(Storing, self._storing)
        self._shelves.events.subscribe(Stored, self._stored)
        self._settling.start(_SETTLE_AFTER, now=False)
        self._wake_at(self._reactor.seconds())

    def stop(self) -> None:
        """End what runs: it is owed, and is run again after the next start."""
        if self._settling.running:
            self._settling.stop()
        if self._wake is not None and self._wake.active():
            self._wake.cancel()
        for program in self._running.values():
            program.abandon()
        self._running.clear()
        self._owed.close()

    def waiting(self) -> int:
        """How many runs are owed."""
        try:
            return self._owed.count()
        except FilesrvError:
            return 0

    def _settle(self, age: float) -> None:
        with suppress(FilesrvError):  # It has been logged; next time.
            self._owed.settle(self._shelves.root, self._reactor.seconds() - age)

    def _storing(self, event: Storing) -> None:
        with suppress(FilesrvError):  # Perhaps there is room when it has been stored.
            durable = self._shelves.root.durable
            self._owed.note(event, self._reactor.seconds(), certain=False, durable=durable)

    def _stored(self, event: Stored) -> None:
        try:
            self._owed.note(event, self._reactor.seconds(), certain=True)
        except FilesrvError:
            self._log.error(
                "hook {id} for {name}: it cannot be noted down, so that it may never run",
                id=event.id,
                name=format_word(event.name),
            )
        # Not in this turn, in which the client waits for its reply.
        self._wake_at(self._reactor.seconds())

    def _wake_at(self, when: float) -> None:
        wait = max(0.0, when - self._reactor.seconds())
        if self._wake is not None and self._wake.active():
            if self._wake.getTime() <= self._reactor.seconds() + wait:
                return
            self._wake.cancel()
        self._wake = self._reactor.callLater(wait, self._fill)

    def _fill(self) -> None:
        """Begin as many runs as are due and may run at once."""
        room = self._hook.limit - len(self._running)
        if room <= 0:
            return  # The end of one calls again.
        try:
            for run in self._owed.due(self._reactor.seconds(), room):
                self._begin(run)
            upcoming = self._owed.next_due()
        except FilesrvError:
            upcoming = self._reactor.seconds() + DELAYS[1]
        if upcoming is not None and len(self._running) < self._hook.limit:
            self._wake_at(upcoming)

    def _begin(self, run: Run) -> None:
        hook, attempt = self._hook, run.attempts + 1
        # Due again only if this daemon does not live to see its end.
        never = self._reactor.seconds() + hook.timeout + _NEVER_ENDED
        self._owed.postpone(run, attempt, never)

        def ended(outcome: str) -> None:
            self._end(run, attempt, outcome, bytes(self._running.pop(run.id).output))

        environment = self._environment(run, attempt)
        try:
            self._running[run.id] = run_program(
                self._reactor, hook.command, environment, hook.timeout, ended
            )
        except OSError as error:
            self._end(run, attempt, "failed", str(error).encode())

    def _end(self, run: Run, attempt: int, outcome: str, output: bytes) -> None:
        self._ran(outcome)
        name = format_word(run.name)
        self._log.info(
            "hook {id} for {name}, attempt {attempt}: {outcome}",
            id=run.id,
            name=name,
            attempt=attempt,
            outcome=outcome,
        )
        for line in output.decode("utf-8", "replace").splitlines()[:_LINES]:
            self._log.info("hook {id} says: {line}", id=run.id, line=shown_text(line))
        with suppress(FilesrvError):  # It has been logged, and is run once more.
            if outcome == "done":
                self._owed.done(run.id)
            elif attempt <= len(DELAYS):
                due = self._reactor.seconds() + DELAYS[attempt - 1]
                self._owed.postpone(run, attempt, due)
            else:
                self._owed.done(run.id)
                self._ran("dropped")
                self._log.error("hook {id} for {name}: given up", id=run.id, name=name)
        self._wake_at(self._reactor.seconds())

    def _environment(self, run: Run, attempt: int) -> dict[str, str]:
        who = Who(0, run.client, run.peer)
        return {key: os.environ[key] for key in _INHERITED if key in os.environ} | {
            "FILESRV_EVENT": run.id,
            "FILESRV_ATTEMPT": str(attempt),
            "FILESRV_NAME": run.name,
            "FILESRV_PATH": os.path.join(self._root, run.name),
            "FILESRV_SIZE": str(run.size),
            "FILESRV_DIGEST": f"blake3-4m={run.digest}",
            "FILESRV_USER": who.user or "",
            "FILESRV_CLIENT": shown_client(run.client),
            "FILESRV_ADDRESS": run.peer.partition("(")[0],
            "FILESRV_TIME": utc_time(int(run.stored * NANOSECONDS)),
        }
