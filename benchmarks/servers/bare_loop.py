"""
``python -m benchmarks.servers.bare_loop PORT ROOT``: the reference's server.
"""

from __future__ import annotations

import os
import socket
import sys

from benchmarks.support.wire import read_head

PIECE = 256 * 1024


def down(connection: socket.socket, path: str) -> None:
    """All of a file."""
    descriptor = os.open(path, os.O_RDONLY)
    size = os.fstat(descriptor).st_size
    connection.sendall(b"%d\n" % size)
    sent = 0
    while sent < size:
        sent += os.sendfile(connection.fileno(), descriptor, sent, size - sent)
    os.close(descriptor)


def up(connection: socket.socket, path: str, size: int) -> None:
    """So many bytes to a file."""
    buffer = memoryview(bytearray(PIECE))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    left = size
    while left:
        count = connection.recv_into(buffer[: min(PIECE, left)])
        if not count:
            break
        os.write(descriptor, buffer[:count])
        left -= count
    os.close(descriptor)
    connection.sendall(b"OK\n")


def serve(connection: socket.socket, root: str) -> None:
    """One client, until it goes."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while True:
        try:
            verb, name, *size = read_head(connection).decode().split()
        except (EOFError, ConnectionError):
            return
        path = os.path.join(root, name)
        if verb == "GET":
            down(connection, path)
        else:
            up(connection, path, int(size[0]))


def main() -> None:
    """One client after the other."""
    listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    while True:
        connection, _ = listening.accept()
        with connection:
            serve(connection, sys.argv[2])


if __name__ == "__main__":
    main()
