"""
Downloading files so that each is here once and whole, over however many connections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from twisted.internet.task import deferLater

from filesrv.client.answers import FetchHead
from filesrv.client.batch import Batch
from filesrv.client.connection import Connection
from filesrv.client.errors import ConnectionEnded, FetchIncomplete, NotVerified, block_words
from filesrv.client.partial import PartialDownload
from filesrv.client.places import Place
from filesrv.client.recovery import Recovery
from filesrv.client.report import Journey, Report
from filesrv.client.unwritten import SMALL, Unwritten
from filesrv.disk.flushing import Flushing
from filesrv.transfer.digest import ALGORITHM, BLOCK_SIZE, differing_blocks
from filesrv.transfer.pace import Pace
from filesrv.transfer.receive import Sink
from filesrv.wire.errors import BadOffset, Changed, NotFound
from filesrv.wire.grammar import format_word

__all__ = ["Download", "Downloads", "boot_id"]

#: How many files are asked for at once; each holds its partial file open.
WIDTH = 32


def boot_id() -> str:
    """Which boot of the machine this is (random(4)); C{""} where it does not tell."""
    with suppress(OSError), open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()
    return ""


class Download:
    """
    One file on its way here.

    @ivar name: what the server calls it.
    @ivar small: whether it can be in memory until it is whole, as far as is known.
    """

    def __init__(
        self, name: str, place: Callable[[], Place], shown: str, size: int | None = None
    ) -> None:
        """
        @param place: opens the place that it is to have.
        @param shown: that place for people.
        @param size: bytes, if the server has said so.
        """
        self.name = name
        self.shown = shown
        self.open_place = place
        self.small = size is not None and size <= SMALL
        self.partial: PartialDownload | None = None
        self.journey: Journey | None = None

    def close(self, keep: bool = True) -> None:
        """Let go of the partial file; with C{keep}, when what arrived is on disk."""
        if self.partial is not None:
            self.partial.close(keep)
            self.partial = None


class Downloads:
    """What a run of downloads has in common."""

    def __init__(
        self,
        reactor: Any,
        recovery: Recovery,
        report: Report,
        server: str,
        *,
        pace: Pace | None = None,
        verify: bool = True,
        flushing: Flushing | None = None,
    ) -> None:
        """
        @param flushing: puts files on disk; one after the other if it is left out.
        @param server: whose files these are, for the notes beside partial files.
        @param verify: whether a file gets its name only when its digest agrees.
        """
        self._verify = verify
        self._reactor = reactor
        self._recovery = recovery
        self._report = report
        self._server = server
        self._pace = pace
        self._boot = boot_id()
        self._flushing = flushing or Flushing()

    async def run(self, downloads: Iterable[Download]) -> None:
        """
        Download all of them.

        @raise filesrv.client.errors.GaveUp: nobody wants to wait any longer.
        @raise filesrv.client.errors.SomeFailed: of several some were refused.
        @raise Exception: why the only one failed.
        """
        batch = Batch(downloads, self._one, self._report, WIDTH)
        await batch.run(self._recovery)

    async def _one(self, connection: Connection, download: Download) -> None:
        journey = self._journey(download)
        small = download.small and download.partial is None and self._pace is None
        if not (small and await self._in_memory(connection, download, journey)):
            await self._in_partial(connection, download, journey)
        download.close()
        self._report.done(journey.summary())

    async def _in_memory(
        self, connection: Connection, download: Download, journey: Journey
    ) -> bool:
        """
        Fetch a small file, and write it when it is right.

        @return: whether it is done; else it is to be gone on with in its partial file.
        """
        unwritten = Unwritten()

        def begin(head: FetchHead) -> Sink:
            journey.size = head.size
            if head.size <= SMALL:
                return unwritten.begin(head)
            partial = self._partial(download)  # It has grown since it was listed.
            partial.start_over()
            return partial.begin(head)

        try:
            await connection.download_small(download.name, begin, journey.at)
        except NotFound:
            return False  # And an older part of it is to be removed.
        except ConnectionEnded:
            if unwritten.head is not None:
                unwritten.hand_over(self._partial(download))
            raise
        head = unwritten.head
        if head is None:
            return False
        right = (
            not self._verify
            or await self._digest_of(connection, download, head) == unwritten.hexdigest()
        )
        if right and await self._published(download, unwritten):
            return True
        unwritten.hand_over(self._partial(download))
        return False

    async def _published(self, download: Download, unwritten: Unwritten) -> bool:
        """Give it its name, unless a part of it is there already, perhaps somebody else's."""
        place = download.open_place()
        try:
            await unwritten.publish(place, self._flushing)
        except FileExistsError:
            return False
        finally:
            place.close()
        return True

    async def _in_partial(
        self, connection: Connection, download: Download, journey: Journey
    ) -> None:
        """Fetch a file through its partial file, from where that stands."""
        partial = self._partial(download)
        journey.next_try()
        try:
            await self._fetch_verified(connection, download, partial, journey)
        except (Changed, BadOffset):
            self._report.note(f"{_quoted(download)} has changed there; it is fetched anew")
            partial.start_over()
            journey.restart(0)
            await self._fetch_verified(connection, download, partial, journey)
        except (NotFound, NotVerified):
            # Nothing can be gone on with; a part of what is no more is in nobody's way.
            partial.discard()
            raise
        try:
            await partial.publish(self._flushing)
        except FetchIncomplete:
            partial.discard()
            raise

    def _journey(self, download: Download) -> Journey:
        if download.journey is None:
            download.journey = Journey(
                self._reactor, download.shown, 0, self._report, self._recovery.moved
            )
        download.journey.next_try()
        return download.journey

    def _partial(self, download: Download) -> PartialDownload:
        """The partial file, open."""
        if download.partial is None:
            place = download.open_place()
            try:
                download.partial = PartialDownload(
                    place, download.name, self._server, self._boot, self._verify
                )
            except BaseException:
                place.close()
                raise
        return download.partial

    async def _fetch_verified(
        self,
        connection: Connection,
        download: Download,
        partial: PartialDownload,
        journey: Journey,
    ) -> None:
        if self._verify:
            await partial.digests.cover(partial.size, self._breathe)
        head = await self._fetch(connection, download, partial, journey)
        if not self._verify or await self._agrees(connection, download, partial, head):
            return
        differing = differing_blocks(partial.digests.blocks, await connection.sums(download.name))
        self._report.note(
            f"{download.shown}: {block_words(differing)} did not arrive as sent; fetching again"
        )
        for block in differing:
            await self._fetch_block(connection, download, partial, head, block)
        await partial.digests.cover(0, self._breathe)
        await partial.digests.cover(partial.size, self._breathe)
        if not await self._agrees(connection, download, partial, head):
            theirs = await connection.sums(download.name)
            raise NotVerified(download.shown, differing_blocks(partial.digests.blocks, theirs))

    async def _agrees(
        self,
        connection: Connection,
        download: Download,
        partial: PartialDownload,
        head: FetchHead,
    ) -> bool:
        """
        Whether what is here is what is there.

        @raise Changed: it cannot be told any more, because something else is there.
        """
        if await self._digest_of(connection, download, head) == partial.digests.hexdigest():
            return True
        if (await connection.stat(download.name)).version != head.version:
            raise Changed
        return False

    async def _digest_of(self, connection: Connection, download: Download, head: FetchHead) -> str:
        """That of the file there."""
        return head.digest or (await connection.hash(download.name, ALGORITHM)).digest

    async def _fetch_block(
        self,
        connection: Connection,
        download: Download,
        partial: PartialDownload,
        head: FetchHead,
        block: int,
    ) -> None:
        offset = block * BLOCK_SIZE
        await connection.download(
            download.name,
            lambda _: partial.replace(offset),
            offset=offset,
            length=BLOCK_SIZE,
            version=head.version,
            pace=self._pace,
        )

    async def _fetch(
        self,
        connection: Connection,
        download: Download,
        partial: PartialDownload,
        journey: Journey,
    ) -> FetchHead:
        def begin(head: FetchHead) -> PartialDownload:
            journey.size = head.size
            return partial.begin(head)

        fetched = await connection.download(
            download.name,
            begin,
            offset=partial.size,
            version=partial.version,
            pace=self._pace,
            moved=journey.at,
        )
        return fetched.head

    async def _breathe(self) -> None:
        await deferLater(self._reactor, 0, lambda: None)


def _quoted(download: Download) -> str:
    return format_word(download.name)
