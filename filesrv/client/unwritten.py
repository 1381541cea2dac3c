"""
A small download, kept in memory until it is whole and found to be right: then it is
written and named in one go.  Anything else becomes an ordinary partial file.
"""

from __future__ import annotations

import os
from contextlib import suppress

from filesrv.client.answers import FetchHead
from filesrv.client.digests import digest_of_small
from filesrv.client.partial import PartialDownload, PartialName, open_locked
from filesrv.client.places import Place
from filesrv.disk.flushing import Flushing
from filesrv.transfer.digest import BLOCK_SIZE

__all__ = ["SMALL", "Unwritten"]

#: Bytes of a file up to which it is kept in memory, by itself no more than one block.
SMALL = 128 * 1024

assert SMALL < BLOCK_SIZE


class Unwritten:
    """
    The bytes of a file from its start, as far as they came; a sink for them.

    @ivar head: what the server has announced.
    """

    def __init__(self) -> None:
        self.head: FetchHead | None = None
        self._data = b""

    def begin(self, head: FetchHead) -> Unwritten:
        """Make ready for what the server announces."""
        self.head = head
        return self

    def write(self, data: bytes | memoryview) -> None:
        """Append."""
        self._data += data

    def hexdigest(self) -> str:
        """The C{blake3-4m} of what came."""
        return digest_of_small(self._data)

    async def publish(self, place: Place, flushing: Flushing) -> None:
        """
        Give the file its name, with the server's time, all of it or not at all.

        @param flushing: puts it on disk, while others are fetched.
        @raise FileExistsError: there is a partial file of it already.
        @raise OSError: the disk failed.
        """
        head, directory = self.head, place.directory
        assert head is not None
        name = PartialName(place.leaf)
        descriptor = open_locked(place, name.path, os.O_EXCL)
        try:
            # What would follow an old note is of no version.
            name.remove_notes(directory)
            view = memoryview(self._data)
            while view:
                view = view[os.write(descriptor, view) :]
            if head.modified is not None:
                os.utime(descriptor, ns=(head.modified, head.modified))
            await flushing.flush(descriptor)
            os.rename(name.path, place.leaf, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            with suppress(OSError):
                os.unlink(name.path, dir_fd=directory)
            raise
        finally:
            os.close(descriptor)
        await flushing.flush(directory)

    def hand_over(self, partial: PartialDownload) -> None:
        """
        Have what came go on in a partial file.

        @raise OSError: the disk failed.
        """
        assert self.head is not None
        partial.start_over()
        partial.begin(self.head)
        partial.write(self._data)
