"""
The refusals: one class for each code of ``docs/protocol.rst``.

The server raises them and the session turns them into ``ERR`` replies; the client
reads the reply and raises the same class.  What cannot be said in these classes
cannot be said on the wire.
"""

from __future__ import annotations

import enum
from typing import ClassVar

__all__ = [
    "BY_CODE",
    "BadArguments",
    "BadChecksum",
    "BadName",
    "BadOffset",
    "Changed",
    "Denied",
    "Exists",
    "FilesrvError",
    "Idle",
    "Internal",
    "LineTooLong",
    "LoginFailed",
    "LoginRequired",
    "NoSpace",
    "NotFound",
    "QuotaExceeded",
    "Retry",
    "ShuttingDown",
    "Stalled",
    "TakenOver",
    "TooLarge",
    "TooManyConnections",
    "UnknownCommand",
]


class Retry(enum.Enum):
    """Whether the refused request is worth another try, and how."""

    NO = "no"
    AS_IT_IS = "as it is"
    LATER = "later"
    WITH_THAT_OFFSET = "with the offset that the reply names"
    FROM_THE_START = "from the start"
    FROM_THE_DIFFERENCE = "from the first differing block"


class FilesrvError(Exception):
    """
    A request that was refused.

    @cvar code: the stable word on the wire.
    @cvar retry: whether a client gains anything by trying again.
    @cvar closes: whether the server closes the connection after saying so.
    @ivar words: the explanation for people; never a path of the server.
    @ivar fields: the ``key=value`` fields that go with the code.
    """

    code: ClassVar[str] = "INTERNAL"
    retry: ClassVar[Retry] = Retry.NO
    closes: ClassVar[bool] = False
    default_words: ClassVar[str] = ""

    def __init__(self, words: str = "", /, **fields: object) -> None:
        self.words = words or self.default_words
        self.fields = {key: str(value) for key, value in fields.items()}
        super().__init__(self.words)


class UnknownCommand(FilesrvError):
    """The verb is none of the server's."""

    code = "UNKNOWN_COMMAND"
    default_words = "HELP lists the commands"


class BadArguments(FilesrvError):
    """The words after the verb do not fit it."""

    code = "BAD_ARGUMENTS"


class LineTooLong(FilesrvError):
    """The command was longer than a line may be."""

    code = "LINE_TOO_LONG"
    default_words = "a command has at most 4096 bytes"


class BadName(FilesrvError):
    """The name is not one that a file may have here."""

    code = "BAD_NAME"


class NotFound(FilesrvError):
    """There is no file of that name."""

    code = "NOT_FOUND"


class Exists(FilesrvError):
    """Something has that name and is not to be replaced."""

    code = "EXISTS"


class BadOffset(FilesrvError):
    """The transfer cannot go on there; C{stored} or C{size} says where it can."""

    code = "BAD_OFFSET"
    retry = Retry.WITH_THAT_OFFSET


class Changed(FilesrvError):
    """The file is no longer the version that was asked for."""

    code = "CHANGED"
    retry = Retry.FROM_THE_START
    default_words = "the file has changed since; fetch it from the start"


class BadChecksum(FilesrvError):
    """What arrived is not what was announced; nothing was published."""

    code = "BAD_CHECKSUM"
    retry = Retry.FROM_THE_DIFFERENCE


class TooLarge(FilesrvError):
    """The file is over the server's limit."""

    code = "TOO_LARGE"


class QuotaExceeded(FilesrvError):
    """This client keeps as much here as it may."""

    code = "QUOTA"


class NoSpace(FilesrvError):
    """The server's disk is full; what arrived is kept."""

    code = "NO_SPACE"
    retry = Retry.LATER
    default_words = "the server's disk is full; what arrived is kept"


class LoginRequired(FilesrvError):
    """The command needs a login first."""

    code = "LOGIN_REQUIRED"


class LoginFailed(FilesrvError):
    """The user or the password is wrong."""

    code = "LOGIN_FAILED"


class Denied(FilesrvError):
    """This client may not do that."""

    code = "DENIED"


class TooManyConnections(FilesrvError):
    """The server, or this client, has as many connections as it may."""

    code = "TOO_MANY_CONNECTIONS"
    retry = Retry.LATER
    closes = True


class Idle(FilesrvError):
    """The connection said nothing for too long."""

    code = "IDLE"
    retry = Retry.LATER
    closes = True


class ShuttingDown(FilesrvError):
    """The server is being stopped."""

    code = "SHUTTING_DOWN"
    retry = Retry.LATER
    closes = True
    default_words = "the server is stopping; what arrived is kept"


class TakenOver(FilesrvError):
    """The same client continued this transfer on a newer connection."""

    code = "TAKEN_OVER"
    closes = True
    default_words = "this transfer goes on over a newer connection"


class Stalled(FilesrvError):
    """The peer took or sent nothing for the stall time."""

    code = "STALLED"
    retry = Retry.AS_IT_IS
    closes = True
    default_words = "nothing has moved for too long; go on from where it stopped"


class Internal(FilesrvError):
    """A fault of the server; its log has the details."""

    code = "INTERNAL"
    retry = Retry.LATER
    default_words = "a fault of the server; its log has the details"


#: Each code of the wire and its class.
BY_CODE: dict[str, type[FilesrvError]] = {
    kind.code: kind
    for kind in (
        UnknownCommand,
        BadArguments,
        LineTooLong,
        BadName,
        NotFound,
        Exists,
        BadOffset,
        Changed,
        BadChecksum,
        TooLarge,
        QuotaExceeded,
        NoSpace,
        LoginRequired,
        LoginFailed,
        Denied,
        TooManyConnections,
        Idle,
        ShuttingDown,
        TakenOver,
        Stalled,
        Internal,
    )
}
