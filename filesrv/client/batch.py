"""
Several files over one connection: a few at a time, so that commands are sent ahead, and
each of them once, over however many connections that takes.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred, DeferredList

from filesrv.client.connection import Connection
from filesrv.client.errors import Busy, ClientError, FetchIncomplete, SomeFailed
from filesrv.client.recovery import Recovery, worth_retrying
from filesrv.client.report import Report
from filesrv.wire.errors import FilesrvError
from filesrv.wire.replies import MalformedReply

__all__ = ["Batch"]


#: Local trouble that every other file would run into too.
_OF_THE_DISK = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE}
)


class _Task(Protocol):
    """
    One file on its way.

    @ivar shown: the name for people.
    """

    shown: str

    def close(self, keep: bool = True) -> None:
        """Let go of what is open; with C{keep}, see to it that what arrived lasts."""


Task = TypeVar("Task", bound=_Task)


class Batch:
    """
    Tasks, each of which is done once, or fails for good while the others go on.

    It is the operation of a L{filesrv.client.recovery.Recovery}: called again with a new
    connection, it goes on with what is not done.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        one: Callable[[Connection, Task], Coroutine[Any, Any, None]],
        report: Report,
        width: int,
    ) -> None:
        """
        @param one: does a task over a connection, from where it stands.
        @param width: how many are on their way at once.
        """
        self._waiting: list[Any] = list(tasks)
        self._one = one
        self._report = report
        self._width = width
        self._count = len(self._waiting)
        self._errors: list[Exception] = []

    async def __call__(self, connection: Connection) -> None:
        """
        Do what is not done yet.

        @raise Exception: what trying again over another connection may help against.
        """
        todo = iter(list(self._waiting))
        workers = [
            Deferred.fromCoroutine(self._work(connection, todo))
            for _ in range(min(self._width, len(self._waiting)))
        ]
        # All of them are waited for: what ends the connection makes the others fail, too,
        # and perhaps sooner, but is the one to be told of.
        outcomes: list[tuple[bool, Any]] = await DeferredList(workers, consumeErrors=True)
        errors = [failure.value for succeeded, failure in outcomes if not succeeded]
        if errors:
            raise min(errors, key=worth_retrying)

    async def run(self, recovery: Recovery) -> None:
        """
        Do all of it.

        @raise filesrv.client.errors.GaveUp: nobody wants to wait any longer.
        @raise SomeFailed: some of several files are not transferred.
        @raise Exception: why the only one is not.
        """
        # Who interrupts does not wait for a disk.
        keep = False
        try:
            await recovery.run(self)
        except CancelledError:
            raise
        except Exception:
            keep = True
            raise
        finally:
            for task in self._waiting:
                task.close(keep)
        self._outcome()

    def _outcome(self) -> None:
        if self._errors and self._count == 1:
            raise self._errors[0]
        if self._errors:
            raise SomeFailed(self._errors, self._count)

    async def _work(self, connection: Connection, todo: Iterator[Any]) -> None:
        for task in todo:
            try:
                await self._one(connection, task)
            except (FilesrvError, ClientError, OSError, MalformedReply) as error:
                if not self._only_this(error):
                    list(todo)  # Nobody takes another one.
                    raise
                self._errors.append(error)
                if self._count > 1:
                    self._report.failed(task.shown, error)
                task.close()
            self._waiting.remove(task)

    def _only_this(self, error: Exception) -> bool:
        """Whether the other files have nothing to do with it."""
        if isinstance(error, FilesrvError):
            return not worth_retrying(error) and not error.closes
        if isinstance(error, OSError):
            return error.errno not in _OF_THE_DISK
        return isinstance(error, (Busy, FetchIncomplete))
