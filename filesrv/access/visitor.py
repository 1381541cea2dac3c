"""
Who is on a connection, what they may do, and where their names lead.
"""

from __future__ import annotations

from filesrv.access.access import Access
from filesrv.access.rights import Right
from filesrv.wire.errors import Denied, LoginRequired
from filesrv.wire.grammar import Command, format_word
from filesrv.wire.names import check_directory

__all__ = ["Visitor"]


class Visitor:
    """
    Somebody on a connection.

    @ivar user: who logged in; L{None} before that.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self.user: str | None = None

    @property
    def home(self) -> str:
        """What stands before this visitor's names under the root; perhaps nothing."""
        return self._access.home(self.user)

    def check_known(self, needs: tuple[Right, ...]) -> None:
        """
        @param needs: the rights that a command needs, for each of its names one of them.
        @raise LoginRequired: those who have not logged in may not even ask.
        """
        if self._access.open:
            return
        allowed = self._access.anonymous
        if self.user is None and not (allowed and all(need & allowed for need in needs)):
            raise LoginRequired("this server wants to know who you are")

    def admit(self, command: Command, needs: tuple[Right, ...]) -> Command:
        """
        The command with its first arguments, which are names, as names under the root.

        @param needs: for each of the names the rights of which one has to be there; a name
            that was left out is C{""}.
        @raise BadName: a name can be nobody's.
        @raise Denied: a right is missing.
        """
        missing = ("",) * (len(needs) - len(command.arguments))
        arguments = [*command.arguments, *missing]
        for index, need in enumerate(needs):
            arguments[index] = self.place(arguments[index])
            self.require(need, arguments[index])
        return command._replace(arguments=tuple(arguments))

    def place(self, name: str) -> str:
        """
        The name under the root of what this visitor calls C{name}.

        @raise BadName: it can be nobody's.
        """
        check_directory(name)
        return self.home + name

    def shown(self, place: str) -> str:
        """What this visitor calls a name under the root."""
        return place.removeprefix(self.home)

    def words(self, text: str) -> str:
        """Words for people in which names under the root stand as this visitor calls them."""
        home = self.home
        if not home:
            return text
        return "".join(f" {text}".replace(f" {home}", " ").replace(f' "{home}', ' "'))[1:]

    def may(self, right: Right, place: str) -> bool:
        """Whether one of these rights is there for a name under the root."""
        access = self._access
        return access.open or bool(right & access.at(self.user, place))

    def check_move(self, old: str, new: str) -> None:
        """
        Refuse to move what may not be deleted or written, however deep below, and what can
        be read or seen where it would be but not where it is.

        @raise Denied: so it is.
        """
        before = list(self._access.within(self.user, old))
        after = list(self._access.within(self.user, new))
        gained = Right.NONE
        for right in after:
            gained |= right & (Right.READ | Right.LIST)
        for right in before:
            if not right & Right.DELETE or gained & ~right:
                raise _denied(old)
        if not all(right & Right.WRITE for right in after):
            raise _denied(new)

    def require(self, right: Right, place: str) -> None:
        """
        @raise Denied: none of these rights is there for a name under the root.
        """
        if not self.may(right, place):
            raise _denied(place)


def _denied(place: str) -> Denied:
    return Denied(f"you may not do that with {format_word(place)}")
