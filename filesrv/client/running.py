"""
The reactor around one run of the command: it starts, is interrupted, and ends with an
exit status.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from traceback import format_exception
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import ILogObserver, LogEvent, formatEventAsClassicLogText, globalLogBeginner
from twisted.python.failure import Failure
from zope.interface import implementer

from filesrv.client.address import ServerAddress
from filesrv.client.console import Console
from filesrv.client.outcomes import DONE, INTERRUPTED, explain
from filesrv.client.session import Session
from filesrv.client.settings import Settings
from filesrv.client.state import State

__all__ = ["run"]

#: Seconds that an interrupted run has for putting things in order.
_END_WITHIN = 0.5

#: Seconds that parting in order may take when all is done: a server that has gone by
#: now is nobody's trouble any more.
_PART_WITHIN = 1.0


@implementer(ILogObserver)
class _Log:
    """What Twisted logs is for who debugs: everybody else is told by the console."""

    def __init__(self, console: Console, shown: bool) -> None:
        self._console = console
        self._shown = shown

    def __call__(self, event: LogEvent) -> None:
        text = formatEventAsClassicLogText(event) if self._shown else None
        if text:
            self._console.stderr.write(text)


class _Run:
    """One job, from its start to its exit status."""

    def __init__(
        self,
        reactor: Any,
        session: Session,
        job: Callable[[Session], Coroutine[Any, Any, None]],
    ) -> None:
        self._reactor = reactor
        self._session = session
        self._job = job
        self._work: Deferred[None] | None = None
        self._ended: Deferred[None] = Deferred()
        self._interrupted = self._done = False
        self.status = DONE

    def start(self) -> None:
        """Called when the reactor runs."""
        self._work = Deferred.fromCoroutine(self._job_and_farewell())
        self._work.addErrback(self._failed)
        self._work.addBoth(self._end)

    async def _job_and_farewell(self) -> None:
        await self._job(self._session)
        gone = Deferred.fromCoroutine(self._session.leave())
        gone.addTimeout(_PART_WITHIN, self._reactor)
        gone.addErrback(lambda _: None)
        await gone

    def _failed(self, failure: Failure) -> None:
        if self._interrupted or failure.check(CancelledError):
            self.status = INTERRUPTED
            return
        error = failure.value or CancelledError()
        message, self.status = explain(error)
        if message:
            self._session.console.error(message)
        if self._session.settings.debug:
            self._session.console.stderr.write("".join(format_exception(error)))

    def _end(self, result: object) -> None:
        self._done = True
        if self._interrupted:
            self._ended.callback(None)
        else:
            self._reactor.stop()

    def interrupt(self) -> Deferred[None] | None:
        """
        The reactor stops.  If the work is not done, that is because of SIGINT or SIGTERM.
        """
        if self._done:
            return None
        self._interrupted = True
        self.status = INTERRUPTED
        if self._work is None:
            return None
        self._work.cancel()
        self._session.recovery.abort()
        self._ended.addTimeout(_END_WITHIN, self._reactor)
        return self._ended.addErrback(lambda _: None)


def run(
    job: Callable[[Session], Coroutine[Any, Any, None]],
    reactor: Any,
    console: Console,
    settings: Settings,
    server: ServerAddress,
    state: State,
) -> int:
    """
    Run a job to its end.

    @return: the exit status.
    """
    globalLogBeginner.beginLoggingTo(
        [_Log(console, settings.debug)], discardBuffer=True, redirectStandardIO=False
    )
    one = _Run(reactor, Session(reactor, console, settings, server, state), job)
    # Not in the reactor's start itself: asyncio's loop does not run yet then.
    reactor.callWhenRunning(reactor.callLater, 0, one.start)
    reactor.addSystemEventTrigger("before", "shutdown", one.interrupt)
    reactor.run()
    return one.status
