"""
Uploading files so that each arrives once and whole, over however many connections.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from twisted.internet.task import deferLater

from filesrv.client.batch import Batch
from filesrv.client.connection import Connection
from filesrv.client.errors import SourceChanged
from filesrv.client.journal import Journal
from filesrv.client.recovery import Recovery
from filesrv.client.report import Journey, Report
from filesrv.client.sources import Source
from filesrv.transfer.pace import Pace
from filesrv.transfer.send import FileShrank
from filesrv.wire.errors import Exists, NotFound
from filesrv.wire.names import check_name

__all__ = ["Upload", "Uploads"]

#: Bytes of a file up to which it is sent without waiting for the server's word on where
#: to begin.  Well under the 1 MiB that a server skips of a refused one.
SMALL = 128 * 1024

#: How many files are on their way at once: enough small ones to fill a long way while
#: the server puts the first to disk, at most 4 MiB of them in memory.
WIDTH = 32

#: Bytes that are hashed in one turn of the reactor: a few milliseconds.
_HASH_SLICE = 4 * 1024 * 1024


class Upload:
    """
    One file on its way to the server.

    @ivar path: of the local file.
    @ivar name: that it gets there.
    """

    def __init__(self, path: str, name: str) -> None:
        self.path = path
        self.name = name
        self.shown = path
        self.source: Source | None = None
        self.journey: Journey | None = None
        #: Whether what the server holds of it is of another content.
        self.anew = False
        #: Whether all of it went out once, so that it may be stored without our knowing.
        self.maybe_stored = False

    def close(self, keep: bool = True) -> None:
        """Let go of the file."""
        if self.source is not None:
            self.source.close()


class Uploads:
    """What a run of uploads has in common."""

    def __init__(
        self,
        reactor: Any,
        recovery: Recovery,
        report: Report,
        journal: Journal,
        *,
        pace: Pace | None = None,
        if_absent: bool = False,
    ) -> None:
        """
        @param if_absent: whether a file that the server has already is left alone there.
        """
        self._reactor = reactor
        self._recovery = recovery
        self._report = report
        self._journal = journal
        self._pace = pace
        self._if_absent = if_absent

    async def run(self, uploads: Iterable[Upload]) -> None:
        """
        Upload all of them.

        @raise filesrv.client.errors.GaveUp: nobody wants to wait any longer.
        @raise filesrv.client.errors.SomeFailed: of several some were refused.
        @raise Exception: why the only one failed.
        """
        batch = Batch(uploads, self._one, self._report, WIDTH)
        await batch.run(self._recovery)

    async def _one(self, connection: Connection, upload: Upload) -> None:
        source, journey = self._ready(upload)
        if upload.maybe_stored and await self._is_stored(connection, upload.name, source):
            journey.at(source.size)
        elif source.size <= SMALL:
            await self._small(connection, upload, source, journey)
        else:
            await self._large(connection, upload, source, journey)
        self._journal.finished(upload.name)
        if self._changed(source):
            self._report.note(f"{upload.shown} was changed while it was sent")
        upload.close()
        self._report.done(journey.summary())

    def _ready(self, upload: Upload) -> tuple[Source, Journey]:
        """Open what is to be sent, or look whether it is still what was opened."""
        source, journey = upload.source, upload.journey
        if source is None or journey is None:
            check_name(upload.name)
            source = upload.source = Source(upload.path)
            upload.anew = self._journal.changed(upload.name, source.fingerprint)
            if upload.anew:
                self._report.note(_changed_words(upload))
            journey = upload.journey = Journey(
                self._reactor, upload.shown, source.size, self._report, self._recovery.moved
            )
        elif source.changed():
            source.open()
            upload.anew, upload.maybe_stored = True, False
            journey.restart(source.size)
            self._report.note(_changed_words(upload))
        journey.next_try()
        return source, journey

    async def _small(
        self, connection: Connection, upload: Upload, source: Source, journey: Journey
    ) -> None:
        data = os.pread(source.descriptor, source.size, 0)
        if len(data) != source.size:
            raise SourceChanged(f"{upload.shown} has become shorter")
        if self._pace is not None:
            await deferLater(self._reactor, self._pace.take(len(data)), lambda: None)
        journey.at(0)
        again, upload.maybe_stored = upload.maybe_stored, True
        try:
            await connection.upload_small(
                upload.name, data, modified=source.modified, if_absent=self._if_absent
            )
        except Exists:
            # If an earlier try was stored and only its reply was lost, it is ours.
            if not (again and await self._is_stored(connection, upload.name, source)):
                raise
        journey.at(source.size)

    async def _large(
        self, connection: Connection, upload: Upload, source: Source, journey: Journey
    ) -> None:
        begun = False

        def moved(position: int) -> None:
            nonlocal begun
            if not begun:
                # The server has taken the bytes to come for those of this very file.
                begun, upload.anew = True, False
                with suppress(OSError):
                    self._journal.began(upload.name, source.fingerprint)
            upload.maybe_stored = position == source.size
            journey.at(position)

        try:
            await connection.upload(
                upload.name,
                source.descriptor,
                source.size,
                anew=upload.anew,
                modified=source.modified,
                if_absent=self._if_absent,
                pace=self._pace,
                moved=moved,
            )
        except FileShrank:
            raise SourceChanged(f"{upload.shown} has become shorter") from None

    def _changed(self, source: Source) -> bool:
        try:
            return source.changed()
        except OSError:  # Gone by now: what was sent was whole.
            return False

    async def _is_stored(self, connection: Connection, name: str, source: Source) -> bool:
        """Whether the server has this very content under the name."""
        try:
            if (await connection.stat(name)).size != source.size:
                return False
            theirs = await connection.hash(name, "sha256")
        except NotFound:
            return False
        ours = hashlib.sha256()
        for offset in range(0, source.size, _HASH_SLICE):
            ours.update(os.pread(source.descriptor, _HASH_SLICE, offset))
            await deferLater(self._reactor, 0, lambda: None)
        return theirs.digest == ours.hexdigest()


def _changed_words(upload: Upload) -> str:
    return f"{upload.shown} has changed here since its upload began; it is sent from the start"
