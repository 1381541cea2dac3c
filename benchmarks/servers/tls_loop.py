"""
``python -m benchmarks.servers.tls_loop PORT ROOT PEM``: the reference for TLS, a bare
pyOpenSSL loop.
"""

from __future__ import annotations

import os
import socket
import sys

from OpenSSL import SSL

PIECE = 256 * 1024


def read_line(connection: SSL.Connection) -> bytes:
    """A line, without its end."""
    line = b""
    while not line.endswith(b"\n"):
        line += connection.recv(1)
    return line[:-1]


def down(connection: SSL.Connection, path: str) -> None:
    """All of a file."""
    with open(path, "rb", 0) as file:
        while piece := file.read(PIECE):
            connection.sendall(piece)


def up(connection: SSL.Connection, path: str, size: int) -> None:
    """So many bytes to a file; OpenSSL gives 16 KiB at a time."""
    buffer = memoryview(bytearray(PIECE))
    with open(path, "wb", 0) as file:
        while size:
            got, wanted = 0, min(PIECE, size)
            while got < wanted:
                got += connection.recv_into(buffer[got:wanted])
            file.write(buffer[:got])
            size -= got
    connection.sendall(b"OK\n")


def serve(connection: SSL.Connection, root: str) -> None:
    """One client, until it goes."""
    try:
        while True:
            verb, name, *size = read_line(connection).decode().split()
            path = os.path.join(root, name)
            if verb == "GET":
                down(connection, path)
            else:
                up(connection, path, int(size[0]))
    except (SSL.ZeroReturnError, SSL.SysCallError):
        connection.close()


def main() -> None:
    """One client after the other."""
    port, root, pem = sys.argv[1:]
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_privatekey_file(pem)
    context.use_certificate_file(pem)
    listening = socket.create_server(("127.0.0.1", int(port)))
    while True:
        accepted, _ = listening.accept()
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = SSL.Connection(context, accepted)
        connection.set_accept_state()
        serve(connection, root)


if __name__ == "__main__":
    main()
