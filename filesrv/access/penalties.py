"""
What wrong passwords cost: time, and then more of it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from twisted.internet.interfaces import IReactorTime

__all__ = ["Cost", "Penalties", "network_of"]

#: Seconds; who waits longer than that goes elsewhere, and holds a connection until then.
_LONGEST_DELAY = 30.0

#: So many times as many wrong passwords as of one user block an address altogether: behind
#: one address may be many people, of whom some have forgotten theirs.
_USERS = 4

#: Addresses and users that are remembered; each costs a few hundred bytes.
_REMEMBERED = 10_000

#: Characters of what was given as a user that are remembered.
_LONGEST_USER = 64


@dataclass(frozen=True)
class Cost:
    """
    @ivar delay: seconds that the first wrong password costs; each further one twice as much.
    @ivar attempts: wrong ones for one user from one address until there is a block.
    @ivar block: seconds that it lasts, and that wrong ones are remembered.
    """

    delay: float = 1.0
    attempts: int = 5
    block: float = 300.0


@dataclass
class _Tally:
    limit: int
    wrong: int = 0
    last: float = 0.0


class Penalties:
    """
    Who has given wrong passwords lately, by address and user, and by address.

    A network of IPv6 that one customer has (a /64, RFC 6177) counts as an address.
    """

    def __init__(self, clock: IReactorTime, cost: Cost) -> None:
        self._clock = clock
        self._cost = cost
        self._tallies: OrderedDict[tuple[str, str | None], _Tally] = OrderedDict()

    def blocked(self, address: str, user: str) -> bool:
        """Whether no password is taken now, not even the right one."""
        return any(tally.wrong >= tally.limit for tally in self._known(address, user))

    def failed(self, address: str, user: str) -> float:
        """
        A password was wrong, or not taken because of a block, which that does not prolong.

        @return: seconds after which to say so.
        """
        if self.blocked(address, user):
            return _LONGEST_DELAY
        now = self._clock.seconds()
        wrong = 0
        for key, limit in self._keys(address, user):
            tally = self._tallies.setdefault(key, _Tally(limit))
            if now - tally.last >= self._cost.block:
                tally.wrong = 0
            tally.wrong, tally.last = tally.wrong + 1, now
            self._tallies.move_to_end(key)
            wrong = tally.wrong
        while len(self._tallies) > _REMEMBERED:
            self._tallies.popitem(last=False)
        # No more doublings than lead to the longest, or the number would outgrow a float.
        return float(min(_LONGEST_DELAY, self._cost.delay * 2 ** min(wrong - 1, 30)))

    def succeeded(self, address: str, user: str) -> None:
        """
        A password was right: what was wrong before was a slip.  Not so for the address, or
        whoever has an account could try others' passwords for ever.
        """
        *_, (key, _) = self._keys(address, user)
        self._tallies.pop(key, None)

    def _known(self, address: str, user: str) -> Iterator[_Tally]:
        now = self._clock.seconds()
        for key, _ in self._keys(address, user):
            tally = self._tallies.get(key)
            if tally is not None and now - tally.last < self._cost.block:
                yield tally

    def _keys(self, address: str, user: str) -> list[tuple[tuple[str, str | None], int]]:
        """Whose counts these are, that of the user last, and how many each may have."""
        network, attempts = network_of(address), self._cost.attempts
        return [
            ((network, None), attempts * _USERS),
            ((network, user[:_LONGEST_USER]), attempts),
        ]


def network_of(address: str) -> str:
    """What counts as one address: of IPv6, the network that one customer has."""
    try:
        found = ip_address(address)
    except ValueError:  # of a Unix socket: whose process it is
        return address
    if isinstance(found, IPv6Address):
        return str(ip_network((found, 64), strict=False))
    return address
