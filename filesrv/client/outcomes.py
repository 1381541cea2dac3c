"""
How a run ends: the one function from exceptions to a message and an exit status.
"""

from __future__ import annotations

import errno

from filesrv.client.errors import (
    CannotConnect,
    ClientError,
    ConnectionEnded,
    GaveUp,
    SomeFailed,
)
from filesrv.wire.endings import Ending
from filesrv.wire.errors import FilesrvError, Retry
from filesrv.wire.replies import MalformedReply

__all__ = ["DONE", "GIVEN_UP", "INTERRUPTED", "REFUSED", "USAGE", "explain", "given_up"]

DONE = 0

#: Refused by the server, or failed for good.
REFUSED = 1

#: Wrong usage: what the shells and click use.
USAGE = 2

#: EX_TEMPFAIL of sysexits.h: given up for now, and what arrived is kept.
GIVEN_UP = 75

#: What shells show for a program that was interrupted: 128 + SIGINT.
INTERRUPTED = 130

_LATER = frozenset({errno.ENOSPC, errno.EDQUOT})
_USAGE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR})


def explain(error: BaseException) -> tuple[str, int]:
    """
    What to say of the exception that ended a run, and the exit status that goes with it.

    @return: the message is C{""} where there is nothing to say.
    """
    if isinstance(error, FilesrvError):
        later = error.retry in (Retry.LATER, Retry.AS_IT_IS)
        return f"refused: {_refusal(error)}", GIVEN_UP if later else REFUSED
    if isinstance(error, (ClientError, MalformedReply)):
        return str(error), _status(error)
    if isinstance(error, BrokenPipeError):
        return "", REFUSED
    if isinstance(error, OSError):
        return _local(error)
    return f"a fault of this program: {type(error).__name__}: {error}", REFUSED


def given_up(error: GaveUp) -> GaveUp:
    """The same in words for who has asked for files."""
    return GaveUp(
        f"given up for now: {error}; what has arrived is kept, and the same command goes "
        "on from there"
    )


def _refusal(error: FilesrvError) -> str:
    return f"{error.words} ({error.code})" if error.words else error.code


def _status(error: Exception) -> int:
    if isinstance(error, SomeFailed):
        codes = [explain(each)[1] for each in error.errors]
        return max(codes) if set(codes) == {GIVEN_UP} else REFUSED
    if isinstance(error, ConnectionEnded):
        return REFUSED if error.ending is Ending.TAKEN_OVER else GIVEN_UP
    return GIVEN_UP if isinstance(error, (GaveUp, CannotConnect)) else REFUSED


def _local(error: OSError) -> tuple[str, int]:
    what = error.strerror or str(error)
    message = f"{error.filename}: {what}" if error.filename else what
    if error.errno in _LATER:
        return f"{message} (here, not on the server)", GIVEN_UP
    return message, USAGE if error.errno in _USAGE else REFUSED
