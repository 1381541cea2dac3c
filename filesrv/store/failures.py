"""
What a failed system call means to a client: the one table from errno to refusal.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from twisted.logger import Logger

from filesrv.wire.errors import (
    BadName,
    Denied,
    Exists,
    FilesrvError,
    Internal,
    NoSpace,
    NotFound,
)
from filesrv.wire.grammar import format_word

__all__ = ["close", "refusals", "writing"]

_log = Logger()


def _not_found(name: str) -> FilesrvError:
    return NotFound(f"there is no file {format_word(name)}")


def _taken(name: str) -> FilesrvError:
    return Exists(f"{format_word(name)} is there already")


def _in_the_way(name: str) -> FilesrvError:
    return Exists(f"{format_word(name)} is not empty, or a file is where a directory is needed")


_BY_ERRNO: dict[int, Callable[[str], FilesrvError]] = {
    errno.ENOENT: _not_found,
    errno.ELOOP: _not_found,
    errno.ENOTDIR: _not_found,
    errno.ENXIO: _not_found,  # a socket, or a device without a driver
    errno.ENODEV: _not_found,
    errno.EEXIST: _taken,
    errno.ENOTEMPTY: _in_the_way,
    errno.EISDIR: _in_the_way,
    errno.EINVAL: lambda name: BadName(f"{format_word(name)} cannot be the name of that"),
    errno.ENAMETOOLONG: lambda name: BadName("the name is too long for the server's disk"),
    errno.EACCES: lambda name: Denied("the server may not do that"),
    errno.EPERM: lambda name: Denied("the server may not do that"),
    errno.EXDEV: lambda name: Denied(
        f"{format_word(name)} is on another disk than the server's own; nothing can be moved there"
    ),
    errno.EROFS: lambda name: Denied("the server's files are read-only"),
    errno.ENOSPC: lambda name: NoSpace(),
    errno.EDQUOT: lambda name: NoSpace(),
    errno.EFBIG: lambda name: NoSpace("the file is larger than the server's disk takes"),
}

#: What the client did not cause, and the log should therefore tell.
_SERVERS_OWN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT})


def close(descriptor: int) -> None:
    """
    Close it, whatever is said: the descriptor is gone all the same (close(2)), and what
    had to be on disk was flushed before.
    """
    with suppress(OSError):
        os.close(descriptor)


#: What a failure with files of our own can mean to a client, but for a fault of ours.
_ALSO_OF_OURS = _SERVERS_OWN | {errno.EFBIG}


# A class, because a generator would cost three times as much around each system call.
class refusals:  # noqa: N801 - it is used like a function
    """
    Turn an L{OSError} of the work inside into the refusal that a client is told.
    """

    __slots__ = ("_name", "_ours")

    def __init__(self, name: str, ours: bool = False) -> None:
        """
        @param name: the name that the client used, for the words; paths are for the log.
        @param ours: whether the work is with files of our own, which no name of a client's
            can make missing, or be in the way of.
        """
        self._name = name
        self._ours = ours

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: object, error: BaseException | None, traceback: object
    ) -> Literal[False]:
        if isinstance(error, OSError):
            raise self._refusal(error) from error
        return False

    def _refusal(self, error: OSError) -> FilesrvError:
        known = _BY_ERRNO.get(error.errno or 0)
        if self._ours and error.errno not in _ALSO_OF_OURS:
            known = None
        if known is None or error.errno in _SERVERS_OWN:
            _log.error("{name!r}: {error}", name=self._name, error=error)
        return Internal() if known is None else known(self._name)


class writing(refusals):  # noqa: N801 - as above
    """Like L{refusals}, where a parent that is no directory is in the way."""

    __slots__ = ()

    def _refusal(self, error: OSError) -> FilesrvError:
        if isinstance(error, NotADirectoryError):
            return Exists(f"a file is where {format_word(self._name)} needs a directory")
        return super()._refusal(error)
