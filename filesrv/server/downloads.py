"""
Downloads of the daemon: an open file, where the client is in it, and what is remembered
of that when the connection breaks.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from filesrv.server.slots import Slots
from filesrv.store.partials import Partials
from filesrv.store.registry import Claim, Direction, Registry, Unfinished
from filesrv.store.root import FileStatus, OpenFile, Root
from filesrv.wire.endings import Ending
from filesrv.wire.errors import BadOffset, Changed

__all__ = ["RESUME", "Download", "Downloads"]

#: Bytes that are read and written with the replies around them: up to so many, that costs
#: less than to have the kernel send them.  A transport's buffer of 64 KiB holds them, too.
SMALL = 32 * 1024

#: Stands for the offset of DOWNLOAD that the registry remembers.
RESUME = -1


@dataclass(eq=False)
class Download:
    """
    One download that is going on.

    @ivar length: bytes that will be sent, from C{offset} on.
    @ivar last: how the connection before this one ended, if there was one.
    @ivar again: bytes from C{offset} on that the client had before.
    @ivar delivered: tells how many of them the client's machine has acknowledged.
    """

    downloads: Downloads
    claim: Claim
    file: OpenFile
    offset: int
    length: int
    last: Ending | None
    again: int
    delivered: Callable[[], int]
    complete: bool = False

    @property
    def moved(self) -> int:
        """Bytes that went over this connection."""
        return self.length if self.complete else self.delivered()

    def small_content(self) -> bytes | None:
        """
        What will be sent, if that is little; L{None} also where it cannot be read, of which
        the client is told when it is sent.
        """
        if self.length > SMALL:
            return None
        try:
            content = os.pread(self.file.descriptor, self.length, self.offset)
        except OSError:
            return None
        return content if len(content) == self.length else None

    def record(self) -> None:
        """Keep how much the client has by now, so that it outlives this process."""
        self.downloads.registry.record(self.claim, delivered=self.offset + self.delivered())

    def finish(self) -> None:
        """All that was asked for was sent."""
        self.complete = True
        self._close()
        if self.offset + self.length == self.file.status.size:
            self.downloads.registry.finish(self.claim)
        else:  # A part of it says nothing about a download of the whole that broke.
            self.downloads.registry.leave(self.claim)

    def release(self, ended: Ending) -> None:
        """Stop, and keep how much the client has."""
        self._close()
        have = self.offset + self.delivered()
        if have:
            self.downloads.registry.release(self.claim, ended, delivered=have)
        else:
            self.downloads.registry.finish(self.claim)

    def _close(self) -> None:
        self.file.close()
        if self in self.downloads.active:
            self.downloads.active.remove(self)
            self.downloads.slots.free(self.claim.row.client)


class Downloads:
    """
    The downloads of all clients.

    @ivar active: those that are going on.
    """

    def __init__(self, root: Root, registry: Registry, slots: Slots) -> None:
        self.root = root
        self.registry = registry
        self.slots = slots
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
        self.slots.check(client)
        remembered = self.registry.find(client, name, Direction.DOWNLOAD)
        if offset == RESUME:
            offset = 0
            if remembered is not None:
                offset, version = remembered.delivered, version or remembered.version
        file = self._open(name, offset, version)
        status = file.status
        rest = status.size - offset
        claim = self.registry.claim(_row(client, name, status, offset), on_taken_over)
        last = remembered.ended if remembered is not None and offset else None
        wanted = rest if length is None else min(length, rest)
        again = 0
        if remembered is not None and remembered.version == status.version:
            again = max(0, min(remembered.delivered - offset, wanted))
        download = Download(self, claim, file, offset, wanted, last, again, delivered)
        self.active.add(download)
        self.slots.take(client)
        return download

    def _open(self, name: str, offset: int, version: str | None) -> OpenFile:
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
        if status.size > SMALL:
            with suppress(OSError):  # It is advice.
                os.posix_fadvise(file.descriptor, offset, 0, os.POSIX_FADV_SEQUENTIAL)
        return file


def _row(client: str, name: str, status: FileStatus, offset: int) -> Unfinished:
    id = Partials.new_id()
    return Unfinished(
        client, name, Direction.DOWNLOAD, id, status.size, status.version, delivered=offset
    )
