"""
``python -m benchmarks.servers.twisted_ftp_server PORT ROOT``: the FTP server of Twisted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from twisted.cred.checkers import AllowAnonymousAccess
from twisted.cred.portal import IRealm, Portal
from twisted.protocols.ftp import FTPFactory, FTPShell, IFTPShell
from twisted.python.filepath import FilePath
from zope.interface import implementer


@implementer(IRealm)
class _Realm:
    """Anybody may write, too, which Twisted's own realm leaves to users with passwords."""

    def __init__(self, root: str) -> None:
        self._root = FilePath(root)

    def requestAvatar(
        self, avatar: object, mind: object, *interfaces: object
    ) -> tuple[Any, object, Callable[[], None]]:
        return IFTPShell, FTPShell(self._root), lambda: None


def main() -> None:
    """Serve one directory to anybody."""
    from twisted.internet import reactor

    portal = Portal(_Realm(sys.argv[2]), [AllowAnonymousAccess()])
    factory = FTPFactory(portal)
    reactor.listenTCP(int(sys.argv[1]), factory, interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main()
