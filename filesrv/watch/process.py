"""
One program that is run on behalf of the administrator: limited in time, and ended with all
that it has started.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from twisted.internet.error import ProcessDone
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

__all__ = ["Program", "run_program"]

#: Bytes of a program's output that are kept: enough for an error message, and too few to
#: fill a log.
OUTPUT_KEPT = 8192

#: Seconds that are waited for what it wrote before it ended, should somebody who has left
#: its process group hold the pipes open.
LAST_WORDS = 1.0


class Program(ProcessProtocol):
    """
    A program that runs.

    @ivar output: the beginning of what it wrote, to stdout and stderr.
    @ivar timed_out: whether it was ended because its time was over.
    """

    transport: Any

    def __init__(self, reactor: Any, timeout: float, ended: Callable[[str], object]) -> None:
        """
        @param timeout: seconds.
        @param ended: called once, with C{done}, C{failed} or C{timeout}.
        """
        self.output = bytearray()
        self.timed_out = False
        self.pid = 0
        self._reactor = reactor
        self._ended = ended
        self._deadline: IDelayedCall = reactor.callLater(timeout, self._time_is_over)

    def connectionMade(self) -> None:
        self.pid = self.transport.pid
        self.transport.closeStdin()

    def outReceived(self, data: bytes) -> None:
        self.output += data[: OUTPUT_KEPT - len(self.output)]

    errReceived = outReceived

    def processExited(self, reason: Failure) -> None:
        # Its last words may still be in the pipes, which what it has started holds open.
        self._kill_group()
        if self._deadline.active():
            self._deadline.cancel()
        self._deadline = self._reactor.callLater(LAST_WORDS, self.transport.loseConnection)

    def processEnded(self, reason: Failure) -> None:
        if self._deadline.active():
            self._deadline.cancel()
        done = reason.check(ProcessDone) is not None
        self._ended("timeout" if self.timed_out else "done" if done else "failed")

    def kill(self) -> None:
        """End it, and all that it has started in its process group."""
        if self.pid and not self._kill_group():
            with suppress(OSError):  # It has no group of its own yet.
                os.kill(self.pid, signal.SIGKILL)

    def _kill_group(self) -> bool:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except OSError:
            return False
        return True

    def abandon(self) -> None:
        """End it, and tell nobody."""
        self._ended = lambda _: None
        if self._deadline.active():
            self._deadline.cancel()
        self.kill()

    def _time_is_over(self) -> None:
        self.timed_out = True
        self.kill()


def run_program(
    reactor: Any,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    timeout: float,
    ended: Callable[[str], object],
) -> Program:
    """
    Run a program in a process group of its own, with nothing to read.

    @param arguments: the program, which is looked for in PATH, and its arguments.
    @raise OSError: there is no room for another process.
    """
    program = Program(reactor, timeout, ended)
    try:
        # Twisted has no way to say that; setsid(1) is of util-linux, which is everywhere.
        reactor.spawnProcess(program, "setsid", ["setsid", *arguments], dict(environment))
    except BaseException:
        program.abandon()
        raise
    return program
