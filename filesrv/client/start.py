"""
The command C{filesrv} as it is installed: from its start to its first byte as fast as
Python lets it be.  What it does is L{filesrv.client.cli}'s.
"""

from __future__ import annotations

import gc
import sys
from typing import Any, cast

from filesrv.client.postponed import postpone

__all__ = ["main"]

#: What others import on the way to a transfer and what is not used for one.
POSTPONED: dict[str, dict[str, str]] = {
    "asyncio": {
        "AbstractEventLoop": "asyncio.events",
        "Future": "_asyncio",
        "iscoroutine": "asyncio.coroutines",
    },
    "hashlib": {},
    "http.cookiejar": {},
    "ipaddress": {},
    "pickle": {},
    "secrets": {},
    "ssl": {},
    "textwrap": {},
    "tokenize": {},
    "twisted.internet.udp": {},
    "twisted.internet.unix": {},
}


def main() -> int:
    """
    Perform the command line of this process.

    @return: the exit status.
    """
    # Nothing that is imported is garbage: looking for some takes a tenth of the start.
    gc.disable()
    # TLS is Python's own here; Twisted imports pyOpenSSL where it finds it, which takes as
    # long as all the rest.
    sys.modules.setdefault("OpenSSL", cast("Any", None))
    postpone(POSTPONED)
    from filesrv.client import cli

    return cli.main(ready=_imported)


def _imported() -> None:
    # Nor does anybody look through it when the process ends.
    gc.freeze()
    gc.enable()
