"""
The verbs that ask the small services, each with a server and port of its own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from filesrv.client.address import ServerAddress
from filesrv.client.verbs import Job

if TYPE_CHECKING:
    from filesrv.client.session import Session

__all__ = ["SMALL_VERBS"]

_PORT = click.IntRange(1, 65535)

#: What the daemon's documentation uses; other services of RFC 867 are at 13.
_DAYTIME_PORT = 9013

#: Seconds: longer than any way around the earth, and as long as a person waits.
_TIMEOUT = 2.0


def _server(host: str, port: int) -> ServerAddress:
    """Brackets around an IPv6 address are as good as none: the port stands alone."""
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not host:
        raise click.UsageError("HOST is empty")
    return ServerAddress(host, port)


class _Seconds(click.FloatRange):
    """Not a number is in every range."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"{value!r} is no number of seconds.", param, ctx)
        return seconds


@click.command()
@click.argument("host")
@click.argument("port", type=_PORT, default=_DAYTIME_PORT, metavar="[PORT]")
@click.option("--difference", is_flag=True, help="Compare it with the clock of this machine.")
def daytime(host: str, port: int, difference: bool) -> Job:
    """
    Ask HOST for the time as a person reads it (RFC 867).

    PORT is 9013 if none is given.
    """
    server = _server(host, port)

    async def job(session: Session) -> None:
        from filesrv.client import daytime

        await daytime.daytime(session, server, difference)

    return Job(job, server=server)


@click.command("udp-echo")
@click.argument("host")
@click.argument("port", type=_PORT)
@click.option(
    "--timeout",
    type=_Seconds(0.001, 3600),
    default=_TIMEOUT,
    show_default=True,
    metavar="SECONDS",
    help="When a datagram that has not come back is lost.",
)
def udp_echo(host: str, port: int, timeout: float) -> Job:
    """
    Send each line that is typed or piped in as a datagram, and time its way back.
    """
    server = _server(host, port)

    async def job(session: Session) -> None:
        from filesrv.client import udp_echo

        await udp_echo.udp_echo(session, server, timeout)

    return Job(job, server=server)


#: In the order of the help.
SMALL_VERBS: tuple[click.Command, ...] = (daytime, udp_echo)
