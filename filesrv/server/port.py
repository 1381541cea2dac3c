"""
The two narrow sides of a session: what a verb may do with it, and what it needs of the
protocol that carries it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from filesrv.access.visitor import Visitor
from filesrv.server.events import Who
from filesrv.server.shelves import Shelves
from filesrv.transfer.receive import Sink
from filesrv.transfer.send import Run
from filesrv.wire.endings import Ending

__all__ = ["Connection", "ConnectionEnded", "PayloadCut", "Port"]


class ConnectionEnded(Exception):
    """The connection ended while a verb used it; there is nobody left to tell."""

    def __init__(self, ending: Ending) -> None:
        self.ending = ending
        super().__init__(str(ending))


class PayloadCut(ConnectionEnded):
    """The peer ended its half of the connection within a payload; it still listens."""


class Port(Protocol):
    """
    One connection, as a verb sees it.

    @ivar client: whose unfinished transfers these are.
    @ivar visitor: who is there, what they may do, and where their names lead.
    @ivar shelves: where everything is.
    """

    client: str
    visitor: Visitor

    @property
    def shelves(self) -> Shelves: ...

    @property
    def who(self) -> Who:
        """This connection, and whose it is by now."""

    @property
    def secure(self) -> bool:
        """Whether nobody on the way can listen."""

    @property
    def tls(self) -> str:
        """The version of TLS that is spoken; empty if none is."""

    @property
    def can_start_tls(self) -> bool:
        """Whether there is a certificate to show."""

    async def start_tls(self) -> None:
        """
        Answer OK, have the handshake, and forget who the client said that it is.

        @raise ConnectionEnded: there is no TLS with this client.
        """

    def identify(self, client: str) -> None:
        """From here on, the connection's client is C{client}, unless somebody logged in."""

    def log_in(self, user: str) -> None:
        """
        From here on, this connection is a user's.

        @raise ConnectionEnded: nobody is there any more.
        @raise FilesrvError: the user's home cannot be made.
        """

    def reply(self, words: str = "", **fields: object) -> None:
        """Answer C{OK} with fields and words."""

    def reply_bare(self, line: bytes) -> None:
        """Answer a line that is neither C{OK} nor C{ERR}."""

    async def reply_lines(self, lines: Iterable[str], **fields: object) -> None:
        """Answer C{OK lines=N} and the lines, as fast as they are read."""

    async def receive(self, sink: Sink, length: int) -> None:
        """
        Take the next C{length} bytes of the connection as payload.

        @raise ConnectionEnded: it ended before; L{PayloadCut} if the peer still listens.
        @raise FilesrvError: the sink refused them.
        """

    def take(self, length: int) -> bytes | None:
        """The next C{length} bytes as payload, if all of them are here; else none of them."""

    def send_at_once(self, content: bytes) -> None:
        """Send a few bytes of a file, which wait in memory like a reply."""

    async def send(self, run: Run) -> None:
        """
        Send a run of a file.

        @raise ConnectionEnded: the connection did not take all of it.
        """

    @property
    def delivered(self) -> int:
        """How many bytes of the last run the peer's machine acknowledged."""

    async def breathe(self) -> None:
        """Let the other connections have their turn, if this one has had its time."""

    def log(self, format: str, **fields: object) -> None:
        """One line of log about this connection's work."""

    def end(self, ending: Ending) -> None:
        """End the connection at once, whatever it is doing."""

    def close(self) -> None:
        """Close the connection when all replies are out."""


class Connection(Protocol):
    """What a session needs of the protocol that carries it."""

    @property
    def secure(self) -> bool:
        """Whether nobody on the way can listen."""

    @property
    def tls(self) -> str:
        """The version of TLS that is spoken; empty if none is."""

    @property
    def can_start_tls(self) -> bool:
        """Whether there is a certificate to show."""

    @property
    def certified_user(self) -> str | None:
        """Whose certificate the client has shown, signed by somebody whom we believe."""

    def drop_lines(self) -> bool:
        """Forget what has been read and not delivered; whether there was anything."""

    async def start_tls(self) -> None:
        """
        Have a handshake.

        @raise TLSFailed: there is no TLS with this client.
        """

    def write(self, data: bytes) -> None:
        """Send."""

    def take(self, length: int) -> bytes | None:
        """The next C{length} bytes, if all of them have been read; else none of them."""

    def hold(self) -> None:
        """Deliver no more lines."""

    def release(self) -> None:
        """Deliver lines again."""

    def raw(self) -> None:
        """Deliver bytes to C{Session.bytes_received} until it says that they ended."""

    async def send(self, run: Run) -> None:
        """Send a run of a file."""

    async def drained(self) -> None:
        """Wait until all that was written has left the process."""

    @property
    def delivered(self) -> int:
        """Bytes of the latest run that the peer's machine has acknowledged."""

    def close(self, within: float | None = None) -> None:
        """
        Close when all that was written is out.

        @param within: seconds after which it is ended all the same.
        """

    def abort(self) -> None:
        """End at once."""
