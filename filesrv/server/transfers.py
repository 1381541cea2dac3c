"""
Uploads and downloads of the daemon: what the registry, the partial files, the digests
and the published files have to do with each other.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from twisted.logger import Logger

from filesrv.store.failures import refusals
from filesrv.store.partials import Partial, Partials
from filesrv.store.registry import Claim, Direction, Registry, Unfinished
from filesrv.store.root import FileStatus, OpenFile, Root, status_of
from filesrv.transfer.digest import BLOCK_SIZE, DIGEST_SIZE, BlockDigests
from filesrv.wire.endings import Ending
from filesrv.wire.errors import BadOffset, Changed, NotFound, TooLarge
from filesrv.wire.grammar import MAX_NUMBER, format_word

__all__ = ["RESUME", "Download", "Downloads", "Upload", "Uploads"]

#: Up to this size an upload has no row while it runs: should the daemon be killed in
#: those milliseconds, so few bytes are sent again in one.
UNRECORDED_SIZE = 256 * 1024

#: Stands for the offset of DOWNLOAD that the registry remembers.
RESUME = -1

_log = Logger()


@dataclass
class Upload:
    """
    One upload that is going on; the sink of its payload.

    @ivar offset: where it went on.
    @ivar last: how the connection before this one ended, if there was one.
    """

    uploads: Uploads
    claim: Claim
    partial: Partial
    digests: BlockDigests
    offset: int
    replace: bool
    modified: int | None
    last: Ending | None

    @property
    def moved(self) -> int:
        """Bytes that came over this connection."""
        return self.partial.size - self.offset

    @property
    def length(self) -> int:
        """Bytes that are still to come."""
        return self.claim.row.size - self.partial.size

    def write(self, data: bytes | memoryview) -> None:
        """
        Take the next bytes.

        @raise FilesrvError: the disk does not; what it took is kept.
        """
        known = len(self.digests.complete)
        with refusals(self.claim.row.name):
            self.partial.write(data)
            self.digests.update(data)
            if len(self.digests.complete) > known:
                self.partial.save_blocks(known, bytes(self.digests.complete[known:]))

    def publish(self) -> None:
        """
        Give the whole file its name; on disk when this returns.

        @raise FilesrvError: the name is taken, or the disk failed; all is kept.
        """
        row = self.claim.row
        with refusals(row.name):
            self.partial.publish(self.uploads.root, row.name, self.replace, self.modified)
        self.partial.close()
        self.uploads.registry.finish(self.claim)

    def release(self, ended: Ending) -> None:
        """Stop, and keep what arrived.  Does nothing after L{publish}, or twice."""
        self.partial.close()
        if self.partial.size:
            self.uploads.registry.release(self.claim, ended)
        elif self.uploads.registry.active(*self.claim.row.key) is self.claim:
            self.uploads.registry.finish(self.claim)
            self.uploads.partials.remove(self.claim.row.id)


class Uploads:
    """The uploads of all clients."""

    def __init__(self, root: Root, partials: Partials, registry: Registry) -> None:
        self.root = root
        self.partials = partials
        self.registry = registry

    def begin(
        self,
        client: str,
        name: str,
        size: int,
        offset: int | None,
        *,
        replace: bool,
        modified: int | None,
        on_taken_over: Callable[[], None],
    ) -> Upload:
        """
        Begin an upload, or go on with one.

        @param offset: exactly there; L{None} for wherever it broke.
        @param replace: whether a published file of that name makes way.
        @param modified: the time for the file, in nanoseconds since the epoch.
        @raise FilesrvError: the name, the size or the offset cannot be.
        """
        if size > MAX_NUMBER:
            raise TooLarge(f"a file has at most {MAX_NUMBER} bytes", limit=MAX_NUMBER)
        self.root.check_target(name, replace)
        self.registry.take_over(client, name, Direction.UPLOAD)
        row = self.held(client, name)
        stored = self.partials.size(row.id) if row is not None and row.size == size else 0
        start = stored if offset is None else offset
        if start > min(stored, size):
            raise BadOffset(f"{stored} bytes are here", stored=stored)
        if row is not None and start == 0:
            self.discard(row)
        if row is None or start == 0:
            row = Unfinished(client, name, Direction.UPLOAD, self.partials.new_id(), size)
        with refusals(name):
            partial = self.partials.open(row.id)
            digests = _go_on(partial, start)
        claim = self.registry.claim(row, on_taken_over)
        if size > UNRECORDED_SIZE:
            self.registry.record(claim)
        return Upload(self, claim, partial, digests, start, replace, modified, row.ended)

    def held(self, client: str, name: str) -> Unfinished | None:
        """The unfinished upload of that name, if this client has one."""
        return self.registry.find(client, name, Direction.UPLOAD)

    def status(self, client: str, name: str) -> tuple[int, FileStatus] | None:
        """How much is here of a client's unfinished upload, and how it is announced."""
        claim = self.registry.active(client, name, Direction.UPLOAD)
        row = claim.row if claim is not None else self.held(client, name)
        if row is None:
            return None
        found = self.partials.status(row.id)
        if found is None:
            return None
        status = status_of(found)
        return found.st_size, FileStatus(row.size, status.modified, status.version)

    def forget(self, client: str, name: str) -> None:
        """
        Discard a client's unfinished upload, ending it where it is going on.

        @raise NotFound: there is none.
        """
        self.registry.take_over(client, name, Direction.UPLOAD)
        row = self.held(client, name)
        if row is None:
            raise NotFound(f"there is no unfinished upload of {format_word(name)}")
        self.discard(row)

    def discard(self, row: Unfinished) -> None:
        """Forget an upload that nobody works on, and what arrived of it."""
        self.registry.forget(row)
        self.partials.remove(row.id)

    def tidy(self) -> None:
        """On start: remove rows without their partial file, and files without a row."""
        rows = {row.id: row for row in self.registry.all() if row.direction is Direction.UPLOAD}
        here = set(self.partials.ids())
        for id in here - rows.keys():
            self.partials.remove(id)
        for id in rows.keys() - here:
            self.registry.forget(rows[id])

    def expire(self) -> None:
        """Forget, of both directions, what nobody came back for in time."""
        for row in self.registry.expired():
            _log.info(
                "expired: {direction} of {name} by {client}",
                direction=row.direction.value,
                name=format_word(row.name),
                client=row.client,
            )
            self.discard(row)


def _go_on(partial: Partial, offset: int) -> BlockDigests:
    """
    Cut a partial file to C{offset} and take its digests up from there: those of whole
    blocks as they were kept, and the block begun by reading it again.
    """
    if partial.size != offset:
        partial.truncate(offset)
    kept = partial.load_blocks(offset // BLOCK_SIZE * DIGEST_SIZE)
    kept = kept[: len(kept) // DIGEST_SIZE * DIGEST_SIZE]
    digests = BlockDigests(kept)
    while digests.position < offset:
        digests.update(partial.read(digests.position, BLOCK_SIZE))
    if offset:
        partial.save_blocks(len(kept), bytes(digests.complete[len(kept) :]))
    return digests


@dataclass(eq=False)
class Download:
    """
    One download that is going on.

    @ivar length: bytes that will be sent, from C{offset} on.
    @ivar last: how the connection before this one ended, if there was one.
    @ivar delivered: tells how many of them the client's machine has acknowledged.
    """

    downloads: Downloads
    claim: Claim
    file: OpenFile
    offset: int
    length: int
    last: Ending | None
    delivered: Callable[[], int]
    complete: bool = False

    @property
    def moved(self) -> int:
        """Bytes that went over this connection."""
        return self.length if self.complete else self.delivered()

    def record(self) -> None:
        """Keep how much the client has by now, so that it outlives this process."""
        self.downloads.registry.record(self.claim, self.offset + self.delivered())

    def finish(self) -> None:
        """All of it was sent."""
        self.complete = True
        self._close()
        self.downloads.registry.finish(self.claim)

    def release(self, ended: Ending) -> None:
        """Stop, and keep how much the client has."""
        self._close()
        have = self.offset + self.delivered()
        if have:
            self.downloads.registry.release(self.claim, ended, have)
        else:
            self.downloads.registry.finish(self.claim)

    def _close(self) -> None:
        self.file.close()
        self.downloads.active.discard(self)


class Downloads:
    """
    The downloads of all clients.

    @ivar active: those that are going on.
    """

    def __init__(self, root: Root, registry: Registry) -> None:
        self.root = root
        self.registry = registry
        self.active: set[Download] = set()

    def record(self) -> None:
        """
        Keep how far every download is.  Called every few seconds: a row for each chunk
        would cost more than the chunk.
        """
        for download in self.active:
            download.record()

    def begin(
        self,
        client: str,
        name: str,
        offset: int,
        length: int | None,
        *,
        version: str | None,
        delivered: Callable[[], int],
        on_taken_over: Callable[[], None],
    ) -> Download:
        """
        Open a file for a client; the caller ends with C{finish} or C{release}.

        @param offset: where to start, or L{RESUME}.
        @param length: at most so many bytes; L{None} for all.
        @param version: refuse any other version of the file.
        @raise FilesrvError: there is no such file, version or offset.
        """
        if offset == RESUME:
            self.registry.take_over(client, name, Direction.DOWNLOAD)
        remembered = self.registry.find(client, name, Direction.DOWNLOAD)
        if offset == RESUME:
            offset = 0
            if remembered is not None:
                offset, version = remembered.delivered, version or remembered.version
        file = self.root.open(name)
        try:
            status = file.status
            if version is not None and version != status.version:
                raise Changed(version=status.version, size=status.size)
            if offset > status.size:
                raise BadOffset(f"the file has {status.size} bytes", size=status.size)
        except BaseException:
            file.close()
            raise
        os.posix_fadvise(file.descriptor, offset, 0, os.POSIX_FADV_SEQUENTIAL)
        rest = status.size - offset
        row = Unfinished(
            client,
            name,
            Direction.DOWNLOAD,
            Partials.new_id(),
            status.size,
            status.version,
            offset,
        )
        claim = self.registry.claim(row, on_taken_over)
        last = remembered.ended if remembered is not None and offset else None
        download = Download(
            self,
            claim,
            file,
            offset,
            rest if length is None else min(length, rest),
            last,
            delivered,
        )
        self.active.add(download)
        return download
