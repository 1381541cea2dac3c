"""
The client: an API for programs in Twisted, and the command ``filesrv`` on top of it.

    from filesrv.client import connect

    connection = await connect(reactor, "files.example.org", 9000)
    for entry in await connection.list():
        print(entry.name, entry.size)

L{connect} makes a L{Connection}: what can be asked over one connection, each question a
coroutine that can be cancelled.  A L{Recovery} runs an operation over as many
connections as it takes; L{Uploads} and L{Downloads} are such operations over local
files.  This room knows the server only by its protocol.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from filesrv.client.connecting import connect
    from filesrv.client.connection import Connection
    from filesrv.client.downloads import Download, Downloads
    from filesrv.client.recovery import Recovery, Trouble
    from filesrv.client.report import Report, Summary
    from filesrv.client.uploads import Upload, Uploads

__all__ = [
    "Connection",
    "Download",
    "Downloads",
    "Recovery",
    "Report",
    "Summary",
    "Trouble",
    "Upload",
    "Uploads",
    "connect",
]

_HOMES = {
    "Connection": "connection",
    "Download": "downloads",
    "Downloads": "downloads",
    "Recovery": "recovery",
    "Report": "report",
    "Summary": "report",
    "Trouble": "recovery",
    "Upload": "uploads",
    "Uploads": "uploads",
    "connect": "connecting",
}


def __getattr__(name: str) -> Any:
    """Import on first use: ``filesrv --help`` is not to wait for Twisted."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"filesrv.client.{home}"), name)
