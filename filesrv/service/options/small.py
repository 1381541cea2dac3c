"""The time over TCP and UDP, and the echo over UDP."""

from __future__ import annotations

from filesrv.service.options.option import Flag, Group, Option, Text

__all__ = ["GROUP"]

GROUP = Group(
    "small-services",
    "Small services",
    (
        Option(
            "daytime",
            "Tell the time over TCP there: a port number or an endpoint.",
            Text(toml=(str, int)),
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
)
