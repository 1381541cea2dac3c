"""
Logging in: who the user is, where the password is from, and over what it may be sent.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from filesrv.client.console import Console
from filesrv.client.errors import PlainLogin

if TYPE_CHECKING:
    from filesrv.client.connection import Connection

__all__ = ["PASSWORD", "Login", "password_of"]

#: The variable that may hold the password.
PASSWORD = "FILESRV_PASSWORD"


@dataclass(frozen=True)
class Login:
    """
    @ivar plain: whether the password may be sent where others can listen.
    """

    user: str
    password: str = field(repr=False)
    plain: bool = False

    async def over(self, connection: Connection) -> Connection:
        """
        The connection, logged in.

        @raise PlainLogin: others could read the password; nothing was sent.
        @raise filesrv.wire.errors.LoginFailed: user or password are wrong.
        """
        try:
            if not (connection.secure or self.plain):
                raise PlainLogin(
                    "others could read the password on its way: use --tls, or "
                    "--allow-plain-login if that does not matter"
                )
            await connection.login(self.user, self.password)
        except BaseException:
            connection.abort()
            raise
        return connection


def password_of(
    user: str, file: str | None, environment: Mapping[str, str], console: Console
) -> str:
    """
    The first line of C{file} if there is one, else what C{FILESRV_PASSWORD} says, else what
    is typed at the terminal.  It is not taken from the command line, which every user of
    the machine can read (proc(5)).

    @raise click.ClickException: there is none.
    """
    if file is not None:
        try:
            with open(file, encoding="utf-8", errors="surrogateescape") as lines:
                return lines.readline().rstrip("\r\n")
        except OSError as error:
            raise click.UsageError(f"{file}: {os.strerror(error.errno or 0)}") from None
    if PASSWORD in environment:
        return environment[PASSWORD]
    if not console.stdin.isatty():
        raise click.UsageError(f"the password of {user}? {PASSWORD}, or --password-file FILE")
    return str(click.prompt(f"Password of {user}", hide_input=True, err=True))
