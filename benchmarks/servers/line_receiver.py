"""
``python -m benchmarks.servers.line_receiver PORT``: a bare LineReceiver that echoes.
"""

from __future__ import annotations

import sys

from twisted.internet import epollreactor
from twisted.internet.protocol import ServerFactory
from twisted.protocols.basic import LineReceiver


class Echo(LineReceiver):
    """Each line comes back as it is."""

    delimiter = b"\n"

    def lineReceived(self, line: bytes) -> None:
        self.sendLine(line)


def main() -> None:
    """Serve until stopped, on the reactor that twistd has on Linux."""
    epollreactor.install()
    from twisted.internet import reactor

    factory = ServerFactory()
    factory.protocol = Echo
    reactor.listenTCP(int(sys.argv[1]), factory, interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main()
