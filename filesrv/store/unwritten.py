"""
What has arrived of a small upload, before any of it is in a file.

Most small files arrive whole within one turn of the reactor.  Such a one is written once,
when it is whole; what is left in memory at the end of a turn becomes a partial file.
"""

from __future__ import annotations

from filesrv.store.partials import Partial, Partials

__all__ = ["Unwritten"]


class Unwritten:
    """
    The first bytes of an upload, in memory.

    @ivar size: how many.
    """

    def __init__(self, partials: Partials, id: str) -> None:
        self._partials = partials
        self._id = id
        self._data = bytearray()

    @property
    def size(self) -> int:
        return len(self._data)

    def write(self, data: bytes | memoryview) -> None:
        """Append."""
        self._data += data

    def written(self) -> tuple[Partial, OSError | None]:
        """
        The same as a partial file, and what the disk said if it did not take all of it.

        @raise OSError: the disk takes nothing.
        """
        partial = self._partials.open(self._id, fresh=True)
        try:
            partial.write(memoryview(self._data))
        except OSError as error:
            return partial, error
        return partial, None

    def close(self) -> None:
        """Let go."""
