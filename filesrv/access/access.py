"""
What the administrator has said about who gets in, in one object that all connections share.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from filesrv.access.door import Door
from filesrv.access.rights import Right, Rights, read_rights
from filesrv.access.users import ANONYMOUS

__all__ = ["HOMES", "Access"]

#: Below which directory of the root the homes are.
HOMES = "homes"


@dataclass
class Access:
    """
    Who may do what; as it is made here, anybody may do everything.

    @ivar door: where users log in; L{None} if there are none.
    @ivar anonymous: what those may do at most who have not logged in.
    @ivar rights: what everybody may do where; everything, if there are none.
    @ivar rights_file: where those are from.
    @ivar homes: whether each user's names are below a directory of their own.
    @ivar plain_login: whether passwords may come over a connection that anybody on the way
        can listen to.
    """

    door: Door | None = None
    anonymous: Right = Right.ALL
    rights: Rights | None = None
    rights_file: str | None = None
    homes: bool = False
    plain_login: bool = False

    @property
    def open(self) -> bool:
        """Whether anybody may do everything."""
        return self.rights is None and self.anonymous is Right.ALL

    @property
    def in_words(self) -> str:
        """What the log says of it when the daemon starts."""
        if self.open:
            return "anybody who reaches this server may read and write its files"
        if self.door is None:
            return "anybody who reaches this server may do what the rights say"
        if not self.anonymous:
            return "whoever reaches this server has to log in"
        return "whoever reaches this server may read its files, and has to log in for more"

    def home(self, user: str | None) -> str:
        """What stands before the names of a user under the root: nothing, or ``homes/USER/``."""
        return f"{HOMES}/{user or ANONYMOUS}/" if self.homes else ""

    def at(self, user: str | None, place: str) -> Right:
        """What a user may do with a name under the root."""
        right = Right.ALL if self.rights is None else self.rights.at(user, place)
        return right if user is not None else right & (self.anonymous | Right.PASS)

    def within(self, user: str | None, place: str) -> Iterator[Right]:
        """What a user may do with a name, and in each directory below it that has other rights."""
        yield self.at(user, place)
        if self.rights is not None:
            yield from (self.at(user, below) for below in self.rights.below(place.rstrip("/")))

    def reload(self) -> None:
        """
        Read the rights again.

        @raise filesrv.access.rights.WrongRights: that cannot be; they stay as they were.
        """
        if self.rights_file is not None:
            self.rights = read_rights(self.rights_file)
