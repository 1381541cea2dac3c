"""The time over TCP and UDP, and the echo over UDP."""

from __future__ import annotations

from filesrv.service.endpoints import endpoint_of
from filesrv.service.options.listening import Listening
from filesrv.service.options.option import Flag, Group, Option, Text, Values
from filesrv.small_services.options import small_services

__all__ = ["GROUP"]


def _check(options: Values) -> None:
    small_services(None, options, endpoint_of)


GROUP = Group(
    "small-services",
    "Small services",
    (
        Option(
            "daytime",
            "Tell the time over TCP there: a port number or an endpoint.",
            Listening("daytime"),
            "PORT",
        ),
        Option("daytime-udp", "Tell the time over UDP, too, on the number of --daytime.", Flag()),
        Option(
            "udp-echo",
            "Send datagrams back there: PORT or udp:PORT:interface=ADDRESS.",
            Text(toml=(str, int)),
            "PORT",
        ),
    ),
    _check,
)
