"""
``python -m benchmarks.servers.pyftpdlib_server PORT ROOT``: pyftpdlib, as it comes.
"""

from __future__ import annotations

import logging
import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer


def main() -> None:
    """Serve one directory to anybody."""
    port, root = int(sys.argv[1]), sys.argv[2]
    logging.basicConfig(level=logging.ERROR)
    authorizer = DummyAuthorizer()
    authorizer.add_anonymous(root, perm="elradfmwMT")
    FTPHandler.authorizer = authorizer
    server = FTPServer(("127.0.0.1", port), FTPHandler)
    server.max_cons = 0
    server.serve_forever()


if __name__ == "__main__":
    main()
