"""
Who is at the far end of a connection: by its address, by the token that it said, by the
user that it logged in as.
"""

from __future__ import annotations

from twisted.logger import Logger

from filesrv.access.users import is_user
from filesrv.access.visitor import Visitor
from filesrv.server.events import LoggedIn, Who
from filesrv.server.port import Connection
from filesrv.server.shelves import Shelves
from filesrv.wire.grammar import format_word

__all__ = ["Caller"]


class Caller:
    """
    The far end of one connection.

    @ivar number: of the connection.
    @ivar client: whose transfers these are.
    @ivar peer: address and port, for the log, which never holds a client's token.
    @ivar visitor: what they may do, and where their names lead.
    """

    def __init__(self, connection: Connection, shelves: Shelves, who: Who) -> None:
        kind = type(self)
        # As an attribute of the class, it would be made anew for each line.
        self._log = Logger(f"{kind.__module__}.{kind.__qualname__}")
        self._connection = connection
        self.shelves = shelves
        self.number = who.number
        self.client = self._first_client = who.client
        self.peer = who.peer
        self.visitor = Visitor(shelves.access)

    @property
    def who(self) -> Who:
        """This connection, and whose it is by now."""
        return Who(self.number, self.client, self.peer)

    @property
    def secure(self) -> bool:
        """Whether nobody on the way can listen."""
        return self._connection.secure

    @property
    def tls(self) -> str:
        """The version of TLS that is spoken; empty if none is."""
        return self._connection.tls

    @property
    def can_start_tls(self) -> bool:
        """Whether there is a certificate to show."""
        return self._connection.can_start_tls

    @property
    def user(self) -> str | None:
        """Who logged in, if anybody has."""
        return self.visitor.user

    def identify(self, client: str) -> None:
        """Know it by what it calls itself, unless somebody logged in."""
        if self.user is None:
            self.client = client

    def log_in(self, user: str) -> None:
        """
        From here on, it is a user.

        @raise FilesrvError: the user's home cannot be made.
        """
        self.shelves.make_home(user)
        self.visitor.user = user
        self.client = f"user:{user}"

    def believe(self, user: str | None) -> None:
        """
        Log in whom a certificate names, if it names somebody.

        @raise FilesrvError: the user's home cannot be made.
        """
        if user is None:
            return
        if not is_user(user):
            self.log("has a certificate for what can be no user: {name}", name=format_word(user))
            return
        self.log_in(user)
        self.shelves.events.publish(LoggedIn(self.who))
        self.log("logged in by certificate")

    def forget(self) -> None:
        """Know nothing but where it came from, as if it had said nothing yet."""
        self.visitor, self.client = Visitor(self.shelves.access), self._first_client

    def log(self, format: str, **fields: object) -> None:
        """One line of log about it."""
        who = "client {peer}: " if self.user is None else "client {peer}, user {user}: "
        self._log.info(who + format, **{"peer": self.peer, "user": self.user, **fields})
