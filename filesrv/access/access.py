"""
What the administrator has said about who gets in, in one object that all connections share.
"""

from __future__ import annotations

from dataclasses import dataclass

from filesrv.access.rights import Right

__all__ = ["ANONYMOUS", "HOMES", "Access"]

#: Under which name those who have not logged in have rights and a home.
ANONYMOUS = "anonymous"

#: Below which directory of the root the homes are.
HOMES = "homes"


@dataclass
class Access:
    """
    Who may do what; as it is made here, anybody may do everything.

    @ivar login: whether there are users who can log in.
    @ivar anonymous: what those may do at most who have not logged in.
    @ivar homes: whether each user's names are below a directory of their own.
    @ivar plain_login: whether passwords may come over a connection that anybody on the way
        can listen to.
    """

    login: bool = False
    anonymous: Right = Right.ALL
    homes: bool = False
    plain_login: bool = False

    def home(self, user: str | None) -> str:
        """What stands before the names of a user under the root: nothing, or ``homes/USER/``."""
        return f"{HOMES}/{user or ANONYMOUS}/" if self.homes else ""

    def at(self, user: str | None, place: str) -> Right:
        """What a user may do with a name under the root."""
        return Right.ALL if user is not None else self.anonymous
