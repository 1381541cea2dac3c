"""
What twistd starts: options, endpoints and the service wire the rooms together.  Nothing
listens, or touches the disk, before the service starts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from twisted.application.service import IService
from twisted.python.usage import UsageError

from filesrv.service.daemon import CannotStart, FilesrvService
from filesrv.service.endpoints import DualStackEndpoint
from filesrv.service.options import Options
from filesrv.service.signals import catch_signals

__all__ = ["CannotStart", "DualStackEndpoint", "FilesrvService", "Options", "makeService"]


class _TwistdService(FilesrvService):
    """What cannot start ends twistd with one line and status 1, not with a traceback."""

    def startService(self) -> None:
        try:
            super().startService()
        except CannotStart as error:
            self._give_up(str(error))
        self._reactor.callWhenRunning(catch_signals, self._reactor, self)

    def _give_up(self, words: str) -> NoReturn:
        twistd: Any = self._options.parent or {}
        if "statusPipe" in twistd:
            self._log.critical("{words}", words=words)
            # Whoever started the daemon waits for this, and reads 100 bytes of it.
            os.write(twistd["statusPipe"], b"1 " + words.encode()[:98])
        else:
            print(f"filesrv: {words}", file=sys.__stderr__)
        with suppress(OSError):
            os.unlink(twistd.get("pidfile") or "")
        raise SystemExit(1)


def makeService(options: Options) -> IService:
    """What the twistd plugin calls."""
    from twisted.internet import reactor

    with _one_line():
        return _TwistdService(reactor, options)


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except UsageError as error:
        raise SystemExit(f"filesrv: {error}") from None
