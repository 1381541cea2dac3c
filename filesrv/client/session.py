"""
What a command works with: the server, the console, the user's state and settings.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from filesrv.client.address import ServerAddress
from filesrv.client.connecting import connect
from filesrv.client.connection import Connection
from filesrv.client.console import Console
from filesrv.client.lines import Lines
from filesrv.client.recovery import Decide, Recovery, Trouble, always, never
from filesrv.client.settings import Settings
from filesrv.client.state import State
from filesrv.transfer.liveness import Liveness
from filesrv.transfer.pace import Pace

if TYPE_CHECKING:
    from filesrv.client.journal import Journal
    from filesrv.disk.flushing import Flushing

__all__ = ["Session"]


class Session:
    """
    One run of the command, or one shell with many.

    @ivar server: which every command talks to.
    """

    def __init__(
        self,
        reactor: Any,
        console: Console,
        settings: Settings,
        server: ServerAddress,
        state: State,
    ) -> None:
        self.reactor = reactor
        self.console = console
        self.settings = settings
        self.server = server
        self.state = state
        self._report: Lines | None = None
        self._liveness = Liveness(reactor, settings.dead_after, settings.stall_timeout)
        self.recovery = Recovery(
            reactor,
            self._connect,
            patience=settings.patience,
            decide=self._decider(),
            tell=self._tell,
        )

    def _connect(self) -> Deferred[Connection]:
        connected = connect(
            self.reactor,
            self.server.host,
            self.server.port,
            token=self._token(),
            trust=self.settings.trust,
            implicit=self.server.tls,
            liveness=self._liveness,
            greeted_before=self.settings.login is None and self.recovery.comes_back,
        )
        login = self.settings.login
        if login is not None:
            # Not within the time of connecting: the answer to a wrong password takes its own.
            connected.addCallback(lambda made: Deferred.fromCoroutine(login.over(made)))
        return connected

    async def connection(self) -> Connection:
        """A connection for a single question; it is not tried twice."""
        return await self.recovery.connection()

    async def leave(self) -> None:
        """Part from the server in order."""
        await self.recovery.close()

    @cached_property
    def flushing(self) -> Flushing:
        """What puts downloads on disk."""
        from filesrv.disk.flushing import flushing

        return flushing(self.reactor)

    def report(self, lines_to_stderr: bool = False) -> Lines:
        """What transfers tell; the caller closes it."""
        final = {"ask": "ask", "retry": "say so", "stop": "stop"}[self._on_trouble()]
        if self.console.shows_progress:
            from filesrv.client.progress import Bar  # takes longer than a small transfer

            self._report = Bar(self.reactor, self.console, final, lines_to_stderr=lines_to_stderr)
        else:
            self._report = Lines(self.console, final, lines_to_stderr=lines_to_stderr)
        return self._report

    def pace(self) -> Pace | None:
        """The bound on the rate, if the user has set one."""
        rate = self.settings.limit_rate
        return None if rate is None else Pace(self.reactor, rate)

    def journal(self) -> Journal:
        """
        What uploads to this server were begun from.  Without a state directory nothing is
        remembered from run to run, and every upload works all the same.
        """
        from filesrv.client.journal import Journal

        with suppress(OSError):
            self.state.directory("uploads")
        return Journal(self.state.path / "uploads", str(self.server))

    def _token(self) -> str | None:
        if not self.settings.use_token:
            return None
        try:
            return self.state.token()
        except OSError as error:
            self.console.note(f"known to the server by address only: {error}")
            return None

    def _tell(self, trouble: Trouble | None) -> None:
        if self._report is not None:
            self._report.trouble(trouble)

    def _on_trouble(self) -> str:
        wanted = self.settings.on_trouble
        return "stop" if wanted == "ask" and not self.console.stderr.isatty() else wanted

    def _decider(self) -> Decide:
        return {"ask": self._ask, "retry": always, "stop": never}[self._on_trouble()]

    def _ask(self, trouble: Trouble) -> Deferred[bool]:
        from filesrv.client.asking import TerminalQuestion, open_terminal

        terminal = open_terminal()
        report = self._report
        if terminal is None or report is None:
            return never(trouble)
        report.pause()
        stderr = self.console.stderr

        def write_question() -> None:
            stderr.write("Go on trying? [Y/n] ")
            stderr.flush()

        self.console.error(
            f"no byte has moved for {self.settings.patience:.0f} s: {trouble}. "
            "What has arrived is kept."
        )
        question = TerminalQuestion(self.reactor, terminal, write_question)

        def go_on(result: object) -> object:
            if not isinstance(result, bool):
                stderr.write("\n")
            report.resume()
            return result

        return question.answer.addBoth(go_on)
