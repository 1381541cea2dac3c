"""
LOGIN: whoever is at the door is let in, or told no.
"""

from __future__ import annotations

from filesrv.server import events
from filesrv.server.port import Port
from filesrv.wire.errors import Denied, LoginFailed
from filesrv.wire.grammar import Command

__all__ = ["login"]


async def login(port: Port, command: Command) -> None:
    """
    The verb.

    @raise LoginFailed: user or password are wrong.
    @raise Denied: others could read the password on its way here; it is not even looked at.
    """
    user, password = command.arguments
    access = port.shelves.access
    if access.door is None:
        raise LoginFailed("this server has no users")
    if not (port.secure or access.plain_login):
        raise Denied("a password would be read on its way here")
    try:
        user = await access.door.log_in(user, password, port.who.address)
    except LoginFailed:
        port.shelves.events.publish(events.LoginFailed(port.who, user))
        raise
    port.log_in(user)
    port.shelves.events.publish(events.LoggedIn(port.who))
    port.reply()
