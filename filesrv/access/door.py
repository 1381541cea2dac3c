"""
The door: whoever knocks with a user and a password is let in or not, in their turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from zope.interface import Attribute, Interface, implementer

from filesrv.access.penalties import Cost, Penalties, network_of
from filesrv.access.turns import Turns
from filesrv.access.users import is_user
from filesrv.wire.errors import LoginFailed, TooManyConnections

__all__ = ["Door", "IAccount"]

#: Logins that may wait for their turn: with 25 ms for each and as much between two, the
#: last one waits for 5 s, which is not yet longer than a client does.
MOST_WAITING = 100

#: One text for whatever was wrong.
_WORDS = "wrong user or password; after several, none is taken for a while"


class IAccount(Interface):
    """What somebody has here who has logged in."""

    name = Attribute("the user's name")


@implementer(IAccount)
@dataclass(frozen=True)
class Account:
    """What rights, homes and unfinished uploads know a user by."""

    name: str


@implementer(IRealm)
class Realm:
    """Gives an L{Account} to whom a checker knows, if the name can be a user's here."""

    def requestAvatar(
        self,
        avatarId: object,  # noqa: N803
        mind: object,
        *interfaces: object,
    ) -> tuple[type[Interface], Account, Callable[[], None]]:
        """
        @raise UnauthorizedLogin: nobody can have that name here.
        """
        name = avatarId.decode("utf-8", "replace") if isinstance(avatarId, bytes) else str(avatarId)
        if not is_user(name):
            raise UnauthorizedLogin()
        return IAccount, Account(name), lambda: None


class Door:
    """
    Takes users and passwords.

    @ivar penalties: what wrong ones have cost so far.
    """

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, checkers: Sequence[ICredentialsChecker], cost: Cost
    ) -> None:
        self._clock = clock
        # A portal has one checker for each kind of credentials, so that several need several.
        self._portals = [Portal(Realm(), [checker]) for checker in checkers]
        self._turns = Turns(clock, MOST_WAITING)
        self.penalties = Penalties(clock, cost)

    async def log_in(self, user: str, password: str, address: str) -> str:
        """
        The name of the user who has come in.

        @param address: where from.
        @raise LoginFailed: user or password are wrong, or too many were before; that is
            said after a while.
        @raise TooManyConnections: too many knock at once.
        """
        started = self._clock.seconds()
        credentials = UsernamePassword(
            user.encode("utf-8", "surrogateescape"), password.encode("utf-8", "surrogateescape")
        )
        for portal in self._portals:
            account = await self._account(portal, credentials, user, address)
            if account is not None:
                self.penalties.succeeded(address, user)
                return account.name
        delay = started + self.penalties.failed(address, user) - self._clock.seconds()
        # The form that docs/fail2ban/ knows.  With !r, no byte of a name can end the line.
        self._log.warn("login failed for {user!r} from {address}", user=user[:64], address=address)
        await deferLater(self._clock, max(0.0, delay))
        raise LoginFailed(_WORDS)

    async def _account(
        self, portal: Portal, credentials: UsernamePassword, user: str, address: str
    ) -> Account | None:
        def ask() -> Deferred[Any] | None:
            # Only now: those who were before in the queue may have brought it about.
            if self.penalties.blocked(address, user):
                return None
            return portal.login(credentials, None, IAccount)

        try:
            asked = await self._turns.take(network_of(address), ask)
            return None if asked is None else (await asked)[1]
        except UnauthorizedLogin:
            return None
        except TooManyConnections:
            raise
        except Exception as error:  # A plugin's; its words could hold the password.
            self._log.error("a password could not be checked: {kind}", kind=type(error).__name__)
            return None
