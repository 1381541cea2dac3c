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
from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver
from twisted.python.usage import UsageError

from filesrv.service.daemon import CannotStart, FilesrvService
from filesrv.service.endpoints import DualStackEndpoint
from filesrv.service.journal import complaint
from filesrv.service.logs import observer_of
from filesrv.service.options import Options
from filesrv.service.signals import catch_signals
from filesrv.service.under_systemd import Status

__all__ = ["CannotStart", "DualStackEndpoint", "FilesrvService", "Options", "makeService"]


class _TwistdService(FilesrvService):
    """
    What twistd runs, and systemd watches over.  What cannot start ends twistd with one line
    and status 1, not with a traceback.
    """

    def __init__(self, reactor: Any, options: Options) -> None:
        super().__init__(reactor, options)
        self._status = Status(reactor, os.environ, self.describe)

    def setServiceParent(self, parent: Any) -> None:
        """The application, which twistd asks for its log right after this."""
        super().setServiceParent(parent)
        options = self._options
        observer = observer_of(options.parent or {}, options["log-format"], os.environ)
        if observer is not None:
            parent.setComponent(ILogObserver, observer)

    def startService(self) -> None:
        try:
            super().startService()
        except CannotStart as error:
            self._give_up(str(error))
        self._reactor.callWhenRunning(self._running)

    def _running(self) -> None:
        catch_signals(self._reactor, self)
        self._status.ready()

    def reload(self) -> None:
        self._status.reloading()
        super().reload()
        self._status.reloaded()

    def stopService(self) -> Deferred[None]:
        self._status.stopping(self._options["drain"])
        return super().stopService().addBoth(self._stopped)

    def _stopped(self, result: None) -> None:
        self._status.stopped()
        return result

    def _give_up(self, words: str) -> NoReturn:
        twistd: Any = self._options.parent or {}
        if "statusPipe" in twistd:
            self._log.critical("{words}", words=words)
            # Whoever started the daemon waits for this, and reads 100 bytes of it.
            os.write(twistd["statusPipe"], b"1 " + words.encode()[:98])
        else:
            print(complaint(words, sys.__stderr__, os.environ), file=sys.__stderr__)
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
        raise SystemExit(complaint(str(error), sys.stderr, os.environ)) from None
