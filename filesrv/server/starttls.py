"""
TLS on a connection that begins without it.
"""

from __future__ import annotations

from filesrv.server.port import Port
from filesrv.wire.errors import Denied
from filesrv.wire.grammar import Command

__all__ = ["starttls"]


async def starttls(port: Port, command: Command) -> None:
    """
    What was said before is forgotten.

    Source: RFC 3207, 4.2.
    """
    if port.tls:
        raise Denied("TLS is on already")
    if not port.can_start_tls:
        raise Denied("this server has no certificate")
    await port.start_tls()
