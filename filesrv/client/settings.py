"""
What the user may set for every command, and what holds if nothing is set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from filesrv.client.address import ServerAddress

if TYPE_CHECKING:
    from filesrv.client.login import Login
    from filesrv.client.trust import Trust

__all__ = ["Settings"]


class Settings(NamedTuple):
    """
    @ivar server: L{None} if nobody has said where it is.
    @ivar user: who to log in as; L{None} for nobody.
    @ivar password_file: where the password is.
    @ivar allow_plain_login: whether it may be sent where others can listen.
    @ivar login: all of that, once the password is known.
    @ivar trust: how a server has to prove who it is; L{None} if TLS was not asked for.
    @ivar use_token: whether servers are to know this client by its token.
    @ivar patience: seconds without a new byte until somebody is asked.
    @ivar on_trouble: what is done then: C{ask}, C{retry} or C{stop}.
    @ivar dead_after: seconds after which a server that does not answer is gone.
    @ivar stall_timeout: seconds after which one that answers but moves nothing is.
    @ivar limit_rate: bytes a second, or L{None}.
    @ivar verify: whether digests have to agree before a file gets its name.
    """

    server: ServerAddress | None = None
    user: str | None = None
    password_file: str | None = None
    allow_plain_login: bool = False
    login: Login | None = None
    trust: Trust | None = None
    use_token: bool = True
    patience: float = 90.0
    on_trouble: str = "ask"
    dead_after: float = 30.0
    stall_timeout: float = 300.0
    limit_rate: float | None = None
    verify: bool = True
    quiet: bool = False
    as_json: bool = False
    debug: bool = False
