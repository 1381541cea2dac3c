"""
What happens in the daemon, for those who look on: metrics, hooks, logs, administration.

Whoever has something to tell publishes it; whoever wants to know subscribes to its class.
Nothing is published for a chunk of a transfer or for a small verb, so that looking on costs
a dictionary's look-up for each transfer, connection and refusal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from twisted.logger import Logger

from filesrv.store.registry import Direction
from filesrv.wire.endings import Ending
from filesrv.wire.errors import FilesrvError

__all__ = [
    "Began",
    "Connected",
    "Ended",
    "Events",
    "Left",
    "LoggedIn",
    "LoginFailed",
    "Refused",
    "Stored",
    "Storing",
    "TakenOver",
    "Who",
]

#: What the registry's key of a client who has logged in begins with; see L{Who}.
_USER = "user:"


class Who(NamedTuple):
    """
    One connection, and whose it is.

    @ivar number: of the connection, from 1 on since the daemon started.
    @ivar client: the registry's key: C{user:NAME}, the token of a HELLO, or the address.
        A token is a secret; nobody else may be shown it.
    @ivar peer: address and port.
    """

    number: int
    client: str
    peer: str

    @property
    def address(self) -> str:
        """The peer's address without its port."""
        return self.peer.partition("(")[0]

    @property
    def user(self) -> str | None:
        """Who logged in, if somebody did."""
        client = self.client
        return client.removeprefix(_USER) if client.startswith(_USER) else None


class Connected(NamedTuple):
    """A connection was made."""

    who: Who


class Left(NamedTuple):
    """A connection has ended; L{None} where it is not known how."""

    who: Who
    ending: Ending | None


class LoggedIn(NamedTuple):
    """The client is a user from here on."""

    who: Who


class LoginFailed(NamedTuple):
    """Somebody tried to log in as C{user}."""

    who: Who
    user: str


class Refused(NamedTuple):
    """A client was told no; C{who} is L{None} where there was no conversation yet."""

    who: Who | None
    error: FilesrvError


class TakenOver(NamedTuple):
    """The client went on with its transfer over another connection than this."""

    who: Who


class Began(NamedTuple):
    """
    A transfer begins, or goes on.

    @ivar size: bytes of the whole file.
    @ivar offset: where it goes on.
    @ivar length: bytes that are to come, from there on.
    @ivar again: how many of those the receiver had before.
    @ivar moved: tells how many have come, until L{Ended} is published.
    """

    who: Who
    direction: Direction
    name: str
    size: int
    offset: int
    length: int
    again: int
    moved: Callable[[], int]


class Ended(NamedTuple):
    """
    A transfer has ended.

    @ivar moved: bytes that went over this connection.
    @ivar ending: L{None} if it is complete.
    """

    who: Who
    direction: Direction
    name: str
    size: int
    offset: int
    moved: int
    seconds: float
    ending: Ending | None


class Stored(NamedTuple):
    """
    A file has got its name, and all of it is there.

    @ivar id: of its upload, which no other has.
    @ivar digest: its C{blake3-4m}, in hexadecimal.
    @ivar inode: of the file.
    """

    who: Who
    id: str
    name: str
    size: int
    digest: str
    inode: int


class Storing(Stored):
    """
    A file will get its name right now, unless that fails.  Whoever may miss no L{Stored}
    when the daemon is killed writes this down; afterwards, the inode behind the name tells.
    """

    __slots__ = ()


_E = TypeVar("_E")


class Events:
    """Who wants to know of what."""

    _log = Logger()

    def __init__(self) -> None:
        self._listeners: dict[type, tuple[Callable[[Any], object], ...]] = {}

    def subscribe(self, kind: type[_E], listener: Callable[[_E], object]) -> None:
        """Call C{listener} with each event of exactly this class, within C{publish}."""
        self._listeners[kind] = (*self._listeners.get(kind, ()), listener)

    def publish(self, event: object) -> None:
        """Tell those who want to know.  What fails there is logged, and fails nobody here."""
        for listener in self._listeners.get(type(event), ()):
            try:
                listener(event)
            except Exception:
                self._log.failure("telling of {kind}", kind=type(event).__name__)
