"""
One upload that is going on: the sink of its payload, and what is kept of it when its
connection breaks.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twisted.logger import Logger

from filesrv.server.events import Stored, Storing, Who
from filesrv.server.trust import restored_digests
from filesrv.store.failures import refusals
from filesrv.store.partials import Partial
from filesrv.store.registry import Claim
from filesrv.store.root import FileStatus, status_of
from filesrv.store.unwritten import Unwritten
from filesrv.transfer.digest import BlockDigests
from filesrv.wire.endings import Ending
from filesrv.wire.errors import FilesrvError

if TYPE_CHECKING:
    from filesrv.server.uploads import Uploads

__all__ = ["Announced", "Upload"]

#: Up to this size an upload has no row while it runs: should the daemon be killed in
#: those milliseconds, so few bytes are sent again in one.
UNRECORDED_SIZE = 256 * 1024

#: Up to this size an upload is in no file either before it is whole: the same bytes would
#: be sent again, and nine of ten of its system calls are saved.
UNWRITTEN_SIZE = 128 * 1024

#: Bytes that make room for a row, and the log that it is written to first, on a full disk.
ROW_ROOM = 32 * 1024

#: Bytes after which what arrived is flushed to disk, and the row says so.  A power cut
#: then costs no more than checking so much by its digests.
FLUSH_EVERY = 256 * 1024 * 1024

_log = Logger()


@dataclass(frozen=True)
class Announced:
    """
    What the line of an UPLOAD says.

    @ivar offset: exactly there; L{None} for wherever it broke.
    @ivar exclusive: whether the file may not replace another.
    @ivar modified: the time for the file, in nanoseconds since the epoch.
    """

    name: str
    size: int
    offset: int | None = None
    exclusive: bool = False
    modified: int | None = None


@dataclass(eq=False)
class Upload:
    """
    One upload that is going on; the sink of its payload.

    @ivar who: who sends it.
    @ivar offset: where it went on.
    @ivar last: how the connection before this one ended, if there was one.
    @ivar again: bytes from C{offset} on that had arrived before.
    @ivar recorded: whether a row of it is in the registry.
    """

    uploads: Uploads
    who: Who
    claim: Claim
    partial: Partial | Unwritten
    digests: BlockDigests
    offset: int
    last: Ending | None
    again: int = 0
    recorded: bool = False

    @property
    def moved(self) -> int:
        """Bytes that came over this connection."""
        return self.partial.size - self.offset

    @property
    def length(self) -> int:
        """Bytes that are still to come."""
        return self.claim.row.size - self.partial.size

    def start(self) -> None:
        """
        Make ready to go on at L{offset}, and let the registry know.

        @raise FilesrvError: there is no room for the rest.
        @raise OSError: the disk failed.
        """
        row, partial = self.claim.row, self.partial
        if isinstance(partial, Unwritten):
            return
        if partial.size != self.offset:
            partial.truncate(self.offset)
        self.digests = restored_digests(partial)
        if row.size > UNRECORDED_SIZE:
            with suppress(OSError):  # Its place is taken before the disk's last bytes are.
                partial.seal(self.digests.end())
            partial.reserve(self.uploads.partials.space, self.length)
            self.record()
        if row.delivered > self.offset:
            # What comes now is not on disk as what was there before is.
            self._flush()

    def write(self, data: bytes | memoryview) -> None:
        """
        Take the next bytes.

        @raise FilesrvError: the disk does not; what it took is kept.
        """
        partial = self.partial
        if isinstance(partial, Unwritten):
            partial.write(data)
            self.digests.update(data)
            return
        known = len(self.digests.complete)
        before = partial.size
        with refusals(self.claim.row.name, ours=True):
            try:
                partial.write(data)
            finally:
                # Of what a full disk took in part, too.
                self.digests.update(memoryview(data)[: partial.size - before])
                try:
                    if len(self.digests.complete) > known:
                        partial.save_blocks(known, bytes(self.digests.complete[known:]))
                finally:
                    if self.recorded:
                        partial.seal(self.digests.end())
            if partial.size // FLUSH_EVERY > before // FLUSH_EVERY:
                self._flush()

    def on_disk(self) -> Partial:
        """
        The partial file, written now if it was not.

        @raise OSError: the disk did not take all of it; what it took is kept.
        """
        partial = self.partial
        if isinstance(partial, Partial):
            return partial
        self.partial, error = partial.written()
        if error is not None:
            self.digests = restored_digests(self.partial)
            raise error
        return self.partial

    def publish(self) -> FileStatus:
        """
        Give the whole file its name; on disk when this returns.

        @return: what STAT says of it now.
        @raise FilesrvError: the name is taken, or the disk failed; all is kept.
        """
        row, uploads = self.claim.row, self.uploads
        with refusals(row.name, ours=True):
            partial = self.on_disk()
            digest, inode = self.digests.hexdigest(), partial.inode
        stored = (self.who, row.id, row.name, row.size, digest, inode)
        uploads.events.publish(Storing(*stored))
        with refusals(row.name), uploads.quota.losing(row.name):
            partial.publish(uploads.root, row.name, not row.exclusive, row.modified)
            status = status_of(partial.stat())
        uploads.quota.discharge(row.id)
        uploads.quota.published(row.name, row.client, row.size)
        self._leave()
        uploads.registry.finish(self.claim)
        uploads.hashes.know(status, self.digests.blocks())
        uploads.events.publish(Stored(*stored))
        return status

    def release(self, ended: Ending) -> None:
        """Stop, and keep what arrived.  Does nothing after L{publish}, or twice."""
        registry, row, partials = self.uploads.registry, self.claim.row, self.uploads.partials
        try:
            if registry.active(*row.key) is not self.claim:
                return
            if self.partial.size or not row.size:
                with suppress(OSError):  # What a full disk has taken of it is kept.
                    self.on_disk()
            if self.partial.size == 0 < row.size or partials.status(row.id) is None:
                registry.finish(self.claim)
                partials.remove(row.id)
            else:
                self._keep(ended)
            self._settle()
        except (OSError, FilesrvError) as error:
            # Who asks for this upload next is told.
            _log.error("{name!r}: {error}", name=row.name, error=error)
        finally:
            self._leave()

    def _settle(self) -> None:
        """What is here counts, and no longer what was to come."""
        row, found = self.claim.row, self.uploads.partials.status(self.claim.row.id)
        if found is None:
            self.uploads.quota.discharge(row.id)
        else:
            self.uploads.quota.charge(row.id, row.client, found.st_size)

    def _keep(self, ended: Ending) -> None:
        durable = self.uploads.root.durable and self.claim.row.size > UNRECORDED_SIZE
        version, flushed = None, None
        partial = self.on_disk()
        try:
            partial.give_back()
            with suppress(OSError):  # Without a seal, the version tells of a small file.
                partial.seal(self.digests.end())
            if durable:
                partial.flush()
                flushed = partial.size
            version = None if partial.touched else status_of(partial.stat()).version
        finally:
            self.uploads.registry.release(
                self.claim, ended, version=version, delivered=flushed, durable=durable
            )
            self._see_to_row(ended)

    def _see_to_row(self, ended: Ending) -> None:
        """
        A small upload has had no row so far.  Where a full disk does not take it, the last
        bytes make room for it: without a row, nobody could go on with the rest or remove it.
        """
        registry, row = self.uploads.registry, self.claim.row
        if registry.find(*row.key) is not None:
            return
        partial = self.on_disk()
        partial.truncate(max(0, partial.size - ROW_ROOM))
        if partial.size:
            with suppress(OSError):
                partial.seal(restored_digests(partial).end())
            version = status_of(partial.stat()).version
            registry.release(registry.claim(row, lambda: None), ended, version=version)
        if registry.find(*row.key) is None:
            self.uploads.partials.remove(row.id)

    def record(self) -> None:
        """
        Say that it is going on.  Called every few seconds, so that a slow upload of a few
        bytes has a row in the end as well.
        """
        if not self.recorded:
            self.on_disk().seal(self.digests.end())
            self.recorded = True
        self.uploads.registry.record(self.claim)

    def _flush(self) -> None:
        if self.uploads.root.durable:
            self.on_disk().flush()
            self.uploads.registry.record(self.claim, delivered=self.partial.size, durable=True)

    def _leave(self) -> None:
        self.partial.close()
        if self in self.uploads.active:
            self.uploads.active.remove(self)
            self.uploads.slots.free(self.claim.row.client)
