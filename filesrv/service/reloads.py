"""
What the daemon reads again when it is asked to (SIGHUP).
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

__all__ = ["Reloads"]


class Reloads:
    """What there is to read again.  What cannot be read stays as it was."""

    _log = Logger()

    def __init__(self) -> None:
        self._all: list[tuple[str, Callable[[], object]]] = []

    def add(self, what: str, reload: Callable[[], object]) -> None:
        """
        @param what: what is read again, in the words of the log, such as C{passwords}.
        @param reload: reads it; when it raises, what it had read before stays in use.
        """
        self._all.append((what, reload))

    def run(self) -> None:
        """Read everything again, with a line of log for each."""
        for what, reload in self._all:
            try:
                reload()
            except Exception as error:
                self._log.error("{what} stay as they were: {error}", what=what, error=error)
            else:
                self._log.info("read {what} again", what=what)
        if not self._all:
            self._log.info("there is nothing to read again")
