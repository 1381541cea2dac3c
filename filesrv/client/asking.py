"""
Asking the person at the terminal, while everything else goes on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["TerminalQuestion", "open_terminal"]

#: Bytes of a line that a terminal hands over at most (termios(3), N_TTY).
_LONGEST_LINE = 4096


def open_terminal() -> int | None:
    """
    A descriptor of the terminal that this process was started from; L{None} if there is
    none, or if reading it would stop the process because it runs in the background.

    It is opened anew: that reading does not block is then nobody else's business.
    """
    try:
        descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if os.tcgetpgrp(descriptor) == os.getpgrp():
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


@implementer(IReadDescriptor)
class TerminalQuestion:
    """
    One question that is answered with yes or no.

    @ivar answer: fires with it; fails when nobody is there any more.  Cancelling it
        withdraws the question.
    """

    def __init__(self, reactor: Any, terminal: int, ask: Callable[[], None]) -> None:
        """
        @param terminal: of L{open_terminal}; it is closed in the end.
        @param ask: writes the question; called again when the answer is not understood.
        """
        self._reactor = reactor
        self._terminal = terminal
        self._ask = ask
        self.answer: Deferred[bool] = Deferred(lambda _: self._end(CancelledError()))
        ask()
        reactor.addReader(self)

    def fileno(self) -> int:
        return self._terminal

    def logPrefix(self) -> str:
        return "filesrv"

    def doRead(self) -> None:
        try:
            typed = os.read(self._terminal, _LONGEST_LINE)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)
            return
        answer = typed.decode("utf-8", "replace").strip().lower()
        if not typed:
            self._end(EOFError())
        elif answer == "" or re.fullmatch("y(es?)?", answer):
            self._end(True)
        elif re.fullmatch("no?", answer):
            self._end(False)
        else:
            self._ask()

    def connectionLost(self, reason: Failure) -> None:
        self._end(EOFError())

    def _end(self, result: bool | Exception) -> None:
        if self._terminal < 0:
            return
        self._reactor.removeReader(self)
        os.close(self._terminal)
        self._terminal = -1
        if isinstance(result, bool):
            self.answer.callback(result)
        elif not self.answer.called:
            self.answer.errback(result)
