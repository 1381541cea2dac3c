"""
Uploading files so that each arrives once and whole, over however many connections.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import deferLater

from filesrv.client.batch import Batch
from filesrv.client.connection import Connection
from filesrv.client.digests import FileDigests, digest_of_small
from filesrv.client.errors import HeldDiffers, NotVerified, SourceChanged, block_words
from filesrv.client.journal import Journal
from filesrv.client.recovery import Recovery
from filesrv.client.report import Journey, Report
from filesrv.client.sources import Source
from filesrv.transfer.digest import ALGORITHM, BLOCK_SIZE, DIGEST_SIZE, differing_blocks
from filesrv.transfer.pace import Pace
from filesrv.transfer.send import FileShrank
from filesrv.wire.errors import BadChecksum, BadOffset, FilesrvError, NotFound
from filesrv.wire.names import check_name

__all__ = ["Upload", "Uploads"]

#: Bytes of a file up to which it is sent without waiting for the server's word on where
#: to begin.  Well under the 1 MiB that a server skips of a refused one.
SMALL = 128 * 1024

#: How many files are on their way at once: enough small ones to fill a long way while
#: the server puts the first to disk, at most 4 MiB of them in memory.
WIDTH = 32


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
        #: Of what is sent; of a small file only where it has to be looked for there.
        self.digests: FileDigests
        #: Whether what the server holds of it is of another content.
        self.anew = False
        #: Whether what the server holds has to be compared before it is gone on with.
        self.begun_before = False
        #: Where to go on, if that is not for the server to say.
        self.offset: int | None = None
        #: Whether it may be stored without our knowing: all that publishes it went out.
        self.maybe_stored = False
        #: Whether a difference has been sent again.
        self.repaired = False
        #: Whether it has been sent anew because it was changed meanwhile.
        self.changed = False

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
        verify: bool = True,
    ) -> None:
        """
        @param if_absent: whether a file that the server has already is left alone there.
        @param verify: whether it is published only when its digest agrees.
        """
        self._reactor = reactor
        self._recovery = recovery
        self._report = report
        self._journal = journal
        self._pace = pace
        self._if_absent = if_absent
        self._verify = verify

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
        if upload.maybe_stored and await self._is_stored(connection, upload, source):
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
            known = self._journal.known(upload.name)
            upload.anew = known is not None and known != source.fingerprint
            upload.begun_before = known is not None
            if upload.anew:
                self._report.note(_changed_words(upload))
            self._take_digests(upload, source, known == source.fingerprint)
            journey = upload.journey = Journey(
                self._reactor, upload.shown, source.size, self._report, self._recovery.moved
            )
        elif source.changed():
            source.open()
            upload.anew, upload.maybe_stored = True, False
            self._take_digests(upload, source, False)
            journey.restart(source.size)
            self._report.note(_changed_words(upload))
        journey.next_try()
        return source, journey

    def _take_digests(self, upload: Upload, source: Source, known: bool) -> None:
        """
        @param known: whether the digests that were kept are of this very file.
        """
        if source.size > SMALL:
            kept = self._journal.digests(upload.name) if known else b""
            keep = partial(self._journal.keep_digests, upload.name)
            upload.digests = FileDigests(lambda: source.descriptor, kept, keep)

    async def _small(
        self, connection: Connection, upload: Upload, source: Source, journey: Journey
    ) -> None:
        data = os.pread(source.descriptor, source.size, 0)
        if len(data) != source.size:
            raise SourceChanged(f"{upload.shown} has become shorter")
        if self._pace is not None:
            await deferLater(self._reactor, self._pace.take(len(data)), lambda: None)
        journey.at(0)
        upload.maybe_stored = True
        try:
            await connection.upload_small(
                upload.name,
                data,
                digest=digest_of_small(data) if self._verify else None,
                modified=source.modified,
                if_absent=self._if_absent,
            )
        except BadChecksum:
            await self._differs(connection, upload, [0])
            await self._small(connection, upload, source, journey)
        journey.at(source.size)

    async def _large(
        self, connection: Connection, upload: Upload, source: Source, journey: Journey
    ) -> None:
        offset, upload.offset = 0 if upload.anew else upload.offset, None
        if not self._verify:
            await self._send(connection, upload, source, journey, offset)
            return
        while True:
            await self._send(connection, upload, source, journey, offset)
            if self._changed(source) and not upload.changed:
                # What went out may be part old, part new; it is sent anew, once.
                upload.changed = True
                raise SourceChanged(f"{upload.shown} was changed while it was sent")
            upload.maybe_stored = True
            try:
                await connection.commit(upload.name, upload.digests.hexdigest())
                return
            except BadOffset as error:
                # Part of what it held was not as it had arrived, and is cut off.
                offset = int(error.fields.get("stored", "0"))
                differing = [offset // BLOCK_SIZE]
            except BadChecksum:
                theirs = await connection.sums(upload.name)
                differing = differing_blocks(upload.digests.blocks, theirs)
                offset = differing[0] * BLOCK_SIZE if differing else 0
            await self._differs(connection, upload, differing)
            # What is sent again is read again.
            await upload.digests.cover(offset, self._breathe)
            journey.next_try()

    async def _differs(self, connection: Connection, upload: Upload, blocks: Sequence[int]) -> None:
        """
        Send the difference again, once.

        @raise NotVerified: it has been sent again.
        """
        if upload.repaired:
            with suppress(FilesrvError):
                await connection.discard(upload.name)
            raise NotVerified(upload.shown, blocks)
        upload.repaired = True
        self._report.note(
            f"{upload.shown}: {block_words(blocks)} did not arrive as sent; sending again"
        )

    def _held_there(self, connection: Connection, upload: Upload) -> Deferred[Any]:
        """
        Ask how much the server holds of it, and the digests of that.  What is said next
        goes out in the same breath: the answers cost no time of their own.
        """
        asked = (connection.stat(upload.name), connection.sums(upload.name))
        return DeferredList(map(Deferred.fromCoroutine, asked), consumeErrors=True)

    def _check_held(self, upload: Upload, start: int, outcomes: list[tuple[bool, Any]]) -> None:
        """
        See to it that what the server goes on from is what is here up to C{start}.

        @raise HeldDiffers: it is not.
        """
        (stat_answered, status), (sums_answered, theirs) = outcomes
        if not (stat_answered and sums_answered and status.stored):
            return  # It is compared in the end all the same.
        ours = upload.digests.blocks
        if status.stored != start:
            # Meanwhile, more has come in over the connection before.
            whole = min(status.stored, start) // BLOCK_SIZE * DIGEST_SIZE
            ours, theirs = ours[:whole], theirs[:whole]
        differing = differing_blocks(ours, theirs)
        if differing:
            upload.offset = differing[0] * BLOCK_SIZE
            raise HeldDiffers(
                f"{upload.shown}: {block_words(differing)} there differ from those here; "
                f"going on from block {differing[0]}"
            )

    async def _send(
        self,
        connection: Connection,
        upload: Upload,
        source: Source,
        journey: Journey,
        offset: int | None,
    ) -> None:
        begun = False
        compares = self._verify and upload.begun_before and offset is None
        held = self._held_there(connection, upload) if compares else None

        def moved(position: int) -> None:
            nonlocal begun
            if not begun:
                # The server has taken the bytes to come for those of this very file.
                begun, upload.anew, upload.begun_before = True, False, True
                with suppress(OSError):
                    self._journal.began(upload.name, source.fingerprint)
            if self._verify:
                upload.digests.advance(position)
            upload.maybe_stored = position == source.size and not self._verify
            journey.at(position)

        try:
            await connection.upload(
                upload.name,
                source.descriptor,
                source.size,
                offset=offset,
                ask=self._verify,
                modified=source.modified,
                if_absent=self._if_absent,
                pace=self._pace,
                ready=partial(self._cover, upload, held),
                moved=moved,
            )
        except FileShrank:
            raise SourceChanged(f"{upload.shown} has become shorter") from None

    async def _cover(self, upload: Upload, held: Deferred[Any] | None, start: int) -> None:
        if self._verify:
            await upload.digests.cover(start, self._breathe)
        if held is not None and start:
            self._check_held(upload, start, await held)

    def _changed(self, source: Source) -> bool:
        try:
            return source.changed()
        except OSError:  # Gone by now: what was sent was whole.
            return False

    async def _is_stored(self, connection: Connection, upload: Upload, source: Source) -> bool:
        """Whether the server has this very content under the name."""
        try:
            status = await connection.stat(upload.name)
            if status.size != source.size or status.stored is not None:
                return False
            theirs = await connection.hash(upload.name, ALGORITHM)
        except NotFound:
            return False
        if source.size <= SMALL:
            upload.digests = FileDigests(lambda: source.descriptor)
        await upload.digests.cover(source.size, self._breathe)
        return theirs.digest == upload.digests.hexdigest()

    async def _breathe(self) -> None:
        await deferLater(self._reactor, 0, lambda: None)


def _changed_words(upload: Upload) -> str:
    return f"{upload.shown} has changed here since its upload began; it is sent from the start"
