"""
What can go wrong on this side of the wire, in words for people.

What the server refuses has its own classes in L{filesrv.wire.errors}; what answers in
another protocol is a L{filesrv.wire.replies.MalformedReply}.
"""

from __future__ import annotations

from collections.abc import Sequence

from filesrv.transfer.certificates import shown_pin
from filesrv.wire.endings import Ending

__all__ = [
    "Busy",
    "CannotConnect",
    "ClientError",
    "ConnectionEnded",
    "FetchIncomplete",
    "GaveUp",
    "NoTLS",
    "NotVerified",
    "PlainLogin",
    "SomeFailed",
    "SourceChanged",
    "Untrusted",
    "block_words",
]

#: How many blocks a message names.
_LISTED = 8

_WORDS = {
    Ending.CLOSED: "the server closed the connection",
    Ending.RESET: "the connection was reset",
    Ending.DEAD_KEEPALIVE: "the server, or the way to it, is gone",
    Ending.DEAD_UNACKNOWLEDGED: "the server, or the way to it, is gone: nothing is acknowledged",
    Ending.STALLED: "nothing moved for too long",
    Ending.TAKEN_OVER: "the transfer goes on over a newer connection",
    Ending.SERVER_STOPPED: "the server was stopped",
    Ending.KICKED: "an administrator of the server ended the connection",
    Ending.REFUSED: "the connection was refused",
    Ending.IDLE: "the server closed the connection, for nothing was said",
}


class ClientError(Exception):
    """Something went wrong here, or on the way; the text is one line for people."""


class ConnectionEnded(ClientError):
    """
    The connection ended before all was said.

    @ivar ending: how.
    """

    def __init__(self, ending: Ending, words: str = "") -> None:
        self.ending = ending
        super().__init__(words or _WORDS[ending])


class CannotConnect(ClientError):
    """No connection came about: the name, the way, or the server."""


class PlainLogin(ClientError):
    """A password was not sent where others could have read it."""


class NoTLS(ClientError):
    """There is no TLS with this server, and trying again changes nothing."""


class Untrusted(NoTLS):
    """
    The server has not proved that it is the one that was meant.

    @ivar pin: of the key that it has shown, where that is known.
    """

    def __init__(self, words: str, pin: bytes | None = None) -> None:
        super().__init__(words if pin is None else f"{words}; its key is {shown_pin(pin)}")
        self.words = words
        self.pin = pin


class GaveUp(ClientError):
    """No byte moved for the whole patience, and it was decided to leave it at that."""


class Busy(ClientError):
    """Another process works on the same file."""


class SourceChanged(ClientError):
    """The file to upload is no longer what it was when the upload began."""


class HeldDiffers(ClientError):
    """What the server holds of an unfinished upload is not what is here."""


class FetchIncomplete(ClientError):
    """What arrived is not what the server announced."""


class NotVerified(ClientError):
    """
    What is there is not what is here, also after sending the difference again.

    @ivar blocks: the numbers, from 0, of the blocks of 4 MiB that differ.
    """

    def __init__(self, shown: str, blocks: Sequence[int]) -> None:
        self.blocks = tuple(blocks)
        super().__init__(
            f"{shown} does not arrive as it is: {block_words(blocks)} changed on the way; "
            "nothing was published"
        )


def block_words(blocks: Sequence[int]) -> str:
    """The numbers of blocks for people."""
    listed = ", ".join(map(str, blocks[:_LISTED]))
    more = f" and {len(blocks) - _LISTED} more" if len(blocks) > _LISTED else ""
    return f"block{'s' * (len(blocks) > 1)} {listed}{more} of 4 MiB"


class SomeFailed(ClientError):
    """
    Of several files some were not transferred; each was reported when it failed.

    @ivar errors: why, in the order in which they failed.
    """

    def __init__(self, errors: list[Exception], of: int) -> None:
        self.errors = errors
        super().__init__(f"{len(errors)} of {of} files were not transferred")
