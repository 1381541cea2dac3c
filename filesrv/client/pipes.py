"""
Pipes at either end: what comes in from one is kept first, so that its upload can be
gone on with; what goes out into one waits for its reader without holding the reactor.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReadDescriptor, IWriteDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["Spooling", "Stream", "spool"]

#: Bytes of one read or write: what a pipe holds by default (pipe(7)).
_CHUNK = 64 * 1024

#: Bytes that wait for the reader of a stream before no more are taken off the network.
_MOST_WAITING = 1024 * 1024

_INCOMING = ".incoming-"


async def spool(reactor: Any, descriptor: int, directory: Path, name: str) -> Path:
    """
    Copy all that comes from a pipe into a file, and return it when that has all of it.

    @param name: makes the file's name recognizable.
    @raise OSError: the disk is full, for instance; nothing is left then.
    """
    _sweep(directory)
    incoming = directory / f"{_INCOMING}{secrets.token_hex(4)}"
    with open(incoming, "xb") as file:
        try:
            os.chmod(file.fileno(), 0o600)
            fcntl.flock(file, fcntl.LOCK_EX)
            await Spooling(reactor, descriptor, file.fileno()).done
            kept = directory / f"{secrets.token_hex(4)}-{name.rpartition('/')[2][:100]}"
            os.rename(incoming, kept)
        except BaseException:
            with suppress(OSError):
                os.unlink(incoming)
            raise
    return kept


def _sweep(directory: Path) -> None:
    """Remove what earlier runs that were killed have left: half a pipe is of no use."""
    for path in directory.glob(f"{_INCOMING}*"):
        with suppress(OSError), open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


@implementer(IReadDescriptor)
class Spooling:
    """
    Copies from one descriptor to another, whenever there is something.

    @ivar done: fires at the end of the input; cancelling it stops.
    """

    def __init__(self, reactor: Any, source: int, target: int) -> None:
        self._reactor = reactor
        self._source, self._target = source, target
        self.done: Deferred[None] = Deferred(lambda _: self._end(CancelledError()))
        reactor.addReader(self)

    def fileno(self) -> int:
        return self._source

    def logPrefix(self) -> str:
        return "filesrv"

    def doRead(self) -> None:
        try:
            data = os.read(self._source, _CHUNK)
            if not data:
                self._end(None)
                return
            view = memoryview(data)
            while view:
                view = view[os.write(self._target, view) :]
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)

    def connectionLost(self, reason: Failure) -> None:
        # Also how the reactor says that the other end is closed and all was read.
        self._end(None)

    def _end(self, error: Exception | None) -> None:
        if self.done.called:
            return
        self._reactor.removeReader(self)
        if error is None:
            self.done.callback(None)
        else:
            self.done.errback(error)


@implementer(IWriteDescriptor)
class Stream:
    """
    A sink that something else reads: a pipe, a terminal, a device.

    @ivar size: bytes that it was given.
    """

    def __init__(self, reactor: Any, descriptor: int, hold: Callable[[bool], None]) -> None:
        """
        @param descriptor: it stays the caller's.
        @param hold: told whether to give no more for now.
        """
        self._reactor = reactor
        self._hold = hold
        self._waiting = bytearray()
        self._held = self._writing = False
        self._flushed: Deferred[None] | None = None
        self._error: OSError | None = None
        self._own = -1
        self._descriptor = descriptor
        self._make_unblocking()
        self.size = 0

    def _make_unblocking(self) -> None:
        """
        Opened anew, so that nobody who shares the descriptor, such as the shell that
        started this, finds his terminal changed.
        """
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        if not os.path.isfile(f"/proc/self/fd/{self._descriptor}"):
            with suppress(OSError):
                self._own = os.open(f"/proc/self/fd/{self._descriptor}", flags)
                self._descriptor = self._own

    def write(self, data: bytes | memoryview) -> None:
        """
        Take all of C{data}.

        @raise OSError: it could not be written, now or before.
        """
        if self._error is not None:
            raise self._error
        self._waiting += data
        self.size += len(data)
        if not self._writing:
            self._writing = True
            self._reactor.addWriter(self)
        if len(self._waiting) > _MOST_WAITING and not self._held:
            self._held = True
            self._hold(True)

    def flushed(self) -> Deferred[None]:
        """
        Fires when all is written.

        @raise OSError: it could not be.
        """
        flushed: Deferred[None] = Deferred()
        if self._error is not None:
            flushed.errback(self._error)
        elif not self._waiting:
            flushed.callback(None)
        else:
            self._flushed = flushed
        return flushed

    def close(self) -> None:
        """Stop; what still waits is lost.  A second call does nothing."""
        self._stop_writing()
        if self._own >= 0:
            os.close(self._own)
            self._own = -1

    def fileno(self) -> int:
        return self._descriptor

    def logPrefix(self) -> str:
        return "filesrv"

    def doWrite(self) -> None:
        try:
            written = os.write(self._descriptor, self._waiting[:_CHUNK])
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(error)
            return
        del self._waiting[:written]
        if self._held and len(self._waiting) < _MOST_WAITING // 2:
            self._held = False
            self._hold(False)
        if not self._waiting:
            self._stop_writing()
            flushed, self._flushed = self._flushed, None
            if flushed is not None:
                flushed.callback(None)

    def connectionLost(self, reason: Failure) -> None:
        self._fail(BrokenPipeError())

    def _fail(self, error: OSError) -> None:
        self._error = error
        self._waiting.clear()
        self._stop_writing()
        if self._held:
            self._held = False
            self._hold(False)
        flushed, self._flushed = self._flushed, None
        if flushed is not None:
            flushed.errback(error)

    def _stop_writing(self) -> None:
        if self._writing:
            self._writing = False
            self._reactor.removeWriter(self)
