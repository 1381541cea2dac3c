"""
Conversations with a server that has users: C{bob}, whose password everybody knows, and
C{ada}, whose password nobody does, and who alone may have C{private/}.
"""

from __future__ import annotations

import secrets

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse

from filesrv.access.access import Access
from filesrv.access.door import Door
from filesrv.access.penalties import Cost
from filesrv.access.rights import Right, parse_rights
from fuzz.conversations import Conversations
from fuzz.scene import Scene
from tests.support.memory import MemoryReactor

__all__ = ["check", "conversations"]

_RIGHTS = """
[/]
ada = read, write, delete, list
bob = read, write, delete, list
anonymous = read

[/d]
bob = read, list

[/private]
ada = read, write, delete, list
* = none
anonymous = none
"""


def _set_up() -> Scene:
    reactor = MemoryReactor()
    users = {"ada": secrets.token_hex().encode(), "bob": b"x=y"}
    checker = InMemoryUsernamePasswordDatabaseDontUse(**users)
    access = Access(
        Door(reactor, [checker], Cost()),
        anonymous=Right.READ,
        rights=parse_rights(_RIGHTS),
        plain_login=True,
    )
    return Scene(access, reactor)


conversations = Conversations(_set_up)

check = conversations.check
