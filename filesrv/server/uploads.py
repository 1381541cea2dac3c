"""
The uploads of all clients: who goes on with what, from where, and what becomes of those
that nobody comes back for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from filesrv.server.events import Events, Who
from filesrv.server.hashing import Hashes
from filesrv.server.quota import Quota
from filesrv.server.rechecking import Rechecking
from filesrv.server.slots import Slots
from filesrv.server.upload import UNWRITTEN_SIZE, Announced, Upload
from filesrv.store.failures import refusals
from filesrv.store.partials import Partial, Partials
from filesrv.store.registry import Direction, Key, Registry, Unfinished
from filesrv.store.root import FileStatus, Root, status_of
from filesrv.store.unwritten import Unwritten
from filesrv.transfer.digest import BlockDigests
from filesrv.wire.endings import Ending
from filesrv.wire.errors import BadChecksum, BadOffset, FilesrvError, NotFound
from filesrv.wire.grammar import MAX_NUMBER, format_word

__all__ = ["Announced", "Upload", "Uploads"]

_log = Logger()


class Uploads:
    """
    The uploads of all clients.

    @ivar active: those that are going on.
    """

    def __init__(
        self,
        clock: IReactorTime,
        root: Root,
        partials: Partials,
        registry: Registry,
        hashes: Hashes,
        events: Events,
        quota: Quota,
        slots: Slots,
    ) -> None:
        self._clock = clock
        self.root = root
        self.partials = partials
        self.registry = registry
        self.hashes = hashes
        self.events = events
        self.quota = quota
        self.slots = slots
        self.active: set[Upload] = set()
        self._rechecking = Rechecking(partials, registry)
        self._parked: dict[Key, Upload] = {}
        self._in_memory: set[Upload] = set()

    async def begin(
        self,
        who: Who,
        announced: Announced,
        on_taken_over: Callable[[], None],
        breathe: Callable[[], Awaitable[None]],
    ) -> Upload:
        """
        Begin an upload, or go on with one, when what is held of it has been checked.

        @raise FilesrvError: the name, the size or the offset cannot be, or it is too much.
        """
        row = self._make_way(who.client, announced)
        arrived = self._arrived(row, announced.size)
        if row is not None and row.size == announced.size and announced.offset != 0:
            await self._rechecking.recheck(row, breathe)
            # Meanwhile, another connection of the client may have begun.
            self.registry.take_over(who.client, announced.name, Direction.UPLOAD)
            row = self.held(who.client, announced.name)
        return self._begin(who, announced, row, arrived, on_taken_over)

    def begin_anew(
        self, who: Who, announced: Announced, on_taken_over: Callable[[], None]
    ) -> Upload:
        """
        Begin an upload that was announced from its first byte on, whatever is held of it.

        @raise FilesrvError: as L{begin}.
        """
        row = self._make_way(who.client, announced)
        return self._begin(who, announced, row, self._arrived(row, announced.size), on_taken_over)

    def _make_way(self, client: str, announced: Announced) -> Unfinished | None:
        """What is held of an upload that may begin, and that nobody works on any more."""
        self.quota.check_size(announced.size)
        self.root.check_target(announced.name, not announced.exclusive)
        self.registry.take_over(client, announced.name, Direction.UPLOAD)
        return self.held(client, announced.name)

    def _begin(
        self,
        who: Who,
        announced: Announced,
        row: Unfinished | None,
        arrived: int,
        on_taken_over: Callable[[], None],
    ) -> Upload:
        """
        @param arrived: bytes that were held of it when it was asked for.
        """
        client, name, size = who.client, announced.name, announced.size
        stored = self._arrived(row, size)
        start = stored if announced.offset is None else announced.offset
        if start > min(stored, size):
            raise BadOffset(f"{stored} bytes are here", stored=stored)
        self.slots.check(client)
        self.quota.check(client, size, None if row is None else row.id)
        last = None if row is None else row.ended
        if row is not None and start == 0:
            with refusals(name, ours=True):
                self.discard(row)
        if row is None or start == 0:
            row = Unfinished(client, name, Direction.UPLOAD, self.partials.new_id(), size)
        row = row._replace(exclusive=announced.exclusive, modified=_storable(announced.modified))
        upload = self._open(who, row, start, last, on_taken_over, announced.offset == 0)
        upload.again = max(0, arrived - start)
        return upload

    def _arrived(self, row: Unfinished | None, size: int) -> int:
        return self.partials.size(row.id) if row is not None and row.size == size else 0

    def _open(
        self,
        who: Who,
        row: Unfinished,
        start: int,
        last: Ending | None,
        on_taken_over: Callable[[], None],
        at_once: bool = False,
    ) -> Upload:
        """
        @param at_once: whether its payload comes from the start, without waiting.
        """
        partial: Partial | Unwritten
        if at_once and row.size <= UNWRITTEN_SIZE:
            partial = Unwritten(self.partials, row.id)
        else:
            with refusals(row.name, ours=True):
                partial = self.partials.open(row.id)
        claim = self.registry.claim(row, on_taken_over)
        upload = Upload(self, who, claim, partial, BlockDigests(), start, last)
        self.active.add(upload)
        self.slots.take(row.client)
        self.quota.charge(row.id, row.client, row.size)
        if isinstance(partial, Unwritten):
            self.write_down_soon(upload)
        try:
            with refusals(row.name, ours=True):
                upload.start()
        except BaseException:
            upload.release(last or Ending.REFUSED)
            raise
        return upload

    async def commit(
        self, who: Who, name: str, digest: str, breathe: Callable[[], Awaitable[None]]
    ) -> FileStatus:
        """
        Publish an upload that is whole, if its C{blake3-4m} is C{digest}.

        @raise NotFound: the client has no unfinished upload of that name.
        @raise BadOffset: it is not whole.
        @raise BadChecksum: the digest is another.
        """
        row = self._whole(who.client, name)
        await self._rechecking.recheck(row, breathe)
        row = self._whole(who.client, name)
        upload = self._open(who, row, row.size, row.ended, on_taken_over=lambda: None)
        return self._publish(upload, digest)

    def commit_parked(self, who: Who, name: str, digest: str) -> FileStatus | None:
        """
        The same at once for an upload that was just parked; L{None} if there is none.

        @raise BadChecksum: the digest is another.
        """
        upload = self._parked.pop((who.client, name, Direction.UPLOAD), None)
        return None if upload is None else self._publish(upload, digest)

    def _publish(self, upload: Upload, digest: str) -> FileStatus:
        try:
            found = upload.digests.hexdigest()
            if found != digest.lower():
                raise BadChecksum(
                    "that is not what arrived; compare SUMS and send the difference again",
                    blake3_4m=found,
                )
            return upload.publish()
        finally:
            upload.release(Ending.REFUSED)

    def park(self, upload: Upload) -> None:
        """
        Keep an upload that is whole until its COMMIT.  If that was sent ahead, it comes
        within this turn, and the upload is still at hand.  Nobody waits for it who would
        release it when it is taken over.
        """
        self.write_down_soon(upload)
        self._parked[upload.claim.row.key] = upload
        end = upload.claim.on_taken_over

        def let_go() -> None:
            end()
            self._parked.pop(upload.claim.row.key, None)
            upload.release(Ending.TAKEN_OVER)

        upload.claim.on_taken_over = let_go

    def write_down_soon(self, upload: Upload) -> None:
        """At the end of this turn, what is left of an upload in memory is to be in a file."""
        if not self._in_memory:
            self._clock.callLater(0, self._put_away)
        self._in_memory.add(upload)

    def _put_away(self) -> None:
        parked, self._parked = self._parked, {}
        uploads, self._in_memory = self._in_memory, set()
        for upload in parked.values():
            upload.release(Ending.CLOSED)
        for upload in uploads & self.active:
            with suppress(OSError):  # The next bytes are told.
                upload.on_disk()

    def _whole(self, client: str, name: str) -> Unfinished:
        row = self.held(client, name)
        if row is None:
            raise _no_upload(name)
        stored = self.partials.size(row.id)
        if stored < row.size:
            raise BadOffset("that is not all of it", stored=stored)
        return row

    async def sums(
        self, client: str, name: str, breathe: Callable[[], Awaitable[None]]
    ) -> bytes | None:
        """
        The digests of the blocks that are held of a client's unfinished upload, one after
        the other; L{None} if it has none of that name.
        """
        row = self.held(client, name)
        if row is not None and not self.is_going_on(client, name):
            await self._rechecking.recheck(row, breathe)
            row = self.held(client, name)  # Meanwhile, much may have become of it.
        claim = self.registry.active(client, name, Direction.UPLOAD)
        for upload in self.active:
            if upload.claim is claim:
                return upload.digests.blocks()
        return None if row is None else self._rechecking.blocks(row)

    def record(self) -> None:
        """Say of every upload, every few seconds, that it is going on."""
        for upload in self.active:
            with suppress(FilesrvError, OSError):  # A disk without room has had it logged.
                upload.record()

    def is_going_on(self, client: str, name: str) -> bool:
        """Whether some connection works on a client's upload, or it waits for its COMMIT."""
        return self.registry.active(client, name, Direction.UPLOAD) is not None

    def held(self, client: str, name: str) -> Unfinished | None:
        """The unfinished upload of that name, if this client has one."""
        return self.registry.find(client, name, Direction.UPLOAD)

    def status(self, client: str, name: str) -> tuple[int, FileStatus] | None:
        """How much is here of a client's unfinished upload, and how it is announced."""
        claim = self.registry.active(client, name, Direction.UPLOAD)
        row = claim.row if claim is not None else self.held(client, name)
        if row is not None:
            self._write_down(row)
        found = None if row is None else self.partials.status(row.id)
        if row is None or found is None:
            return None
        status = status_of(found)
        return found.st_size, FileStatus(row.size, status.modified, status.version)

    def size(self, row: Unfinished) -> int:
        """How much of an unfinished upload is here."""
        self._write_down(row)
        return self.partials.size(row.id)

    def _write_down(self, row: Unfinished) -> None:
        """See to it that somebody who looks for the partial file finds it."""
        for upload in self.active:
            if upload.claim.row.id == row.id and upload.partial.size:
                with refusals(row.name, ours=True):
                    upload.on_disk()

    def forget(self, client: str, name: str) -> None:
        """
        Discard a client's unfinished upload, ending it where it is going on.

        @raise NotFound: there is none.
        """
        self.registry.take_over(client, name, Direction.UPLOAD)
        row = self.held(client, name)
        if row is None:
            raise _no_upload(name)
        self.discard(row)

    def discard(self, row: Unfinished) -> None:
        """Forget an upload that nobody works on, and what arrived of it."""
        # The file first: on a full disk, it makes room for saying so in the registry.
        self.partials.remove(row.id)
        self.quota.discharge(row.id)
        self.registry.forget(row)

    def tidy(self) -> None:
        """On start: remove rows without their partial file, and files without a row."""
        rows = {row.id: row for row in self.registry.all() if row.direction is Direction.UPLOAD}
        kept = {id for id, row in rows.items() if self.partials.after_crash(id, row.size)}
        for id in kept:
            self.quota.charge(id, rows[id].client, self.partials.size(id))
        for id in set(self.partials.ids()) - kept:
            self.partials.remove(id)
        for id in rows.keys() - kept:
            self.registry.forget(rows[id])

    def expire(self) -> None:
        """Forget, of both directions, what nobody came back for in time."""
        for row in self.registry.expired():
            _log.info(
                "expired: {direction} of {name}",
                direction=row.direction.value,
                name=format_word(row.name),
            )
            self.discard(row)


def _storable(modified: int | None) -> int | None:
    """The nearest time that the registry, and a file system, can hold."""
    return None if modified is None else max(-MAX_NUMBER, min(modified, MAX_NUMBER))


def _no_upload(name: str) -> NotFound:
    return NotFound(f"there is no unfinished upload of {format_word(name)}")
