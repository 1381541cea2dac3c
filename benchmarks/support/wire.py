"""
The plain client: bytes through a blocking socket, as fast as that goes.
"""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

__all__ = ["PIECE", "connect", "patient", "read_head", "receive", "receive_checked", "send"]

#: What is taken from a socket at a time; it stays in the cache of the core.
PIECE = 256 * 1024

#: Bytes that a head, a line or several, may have.
_HEAD = 64 * 1024


def connect(port: int, source: str = "127.0.0.1") -> socket.socket:
    """A connection to this machine, whose calls are plain ones of the kernel."""
    return patient(socket.create_connection(("127.0.0.1", port), 60, (source, 0)))


def patient(connection: socket.socket) -> socket.socket:
    """
    Have calls block in the kernel, for a minute at most: Python's own timeouts take a
    second call each time.
    """
    connection.settimeout(None)
    minute = struct.pack("ll", 60, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, minute)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, minute)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def read_head(connection: socket.socket, end: bytes = b"\n") -> bytes:
    """
    What comes up to an end, that included, and not a byte more.

    @raise EOFError: the connection ended before it.
    """
    head = b""
    while not head.endswith(end):
        seen = connection.recv(_HEAD, socket.MSG_PEEK)
        if not seen:
            raise EOFError(f"the connection ended behind {head!r}")
        place = (head + seen).find(end)
        taken = len(seen) if place < 0 else place + len(end) - len(head)
        head += connection.recv(taken)
    return head


def receive(connection: socket.socket, length: int) -> bytes:
    """
    Take so many bytes, and return the last of them, at most L{PIECE}.

    @raise EOFError: fewer came.
    """
    ring = memoryview(bytearray(PIECE))
    got = 0
    while got < length:
        place = got % PIECE
        count = connection.recv_into(ring[place : place + min(PIECE, length - got)])
        if not count:
            raise EOFError(f"{got} of {length} bytes came")
        got += count
    place = got % PIECE
    return bytes(ring[:got]) if got < PIECE else bytes(ring[place:]) + bytes(ring[:place])


def receive_checked(connection: socket.socket, length: int, source: Path) -> None:
    """
    Take so many bytes and compare each with those of a file.

    @raise ValueError: they are others.
    """
    left = length
    with source.open("rb") as expected:
        while left:
            piece = connection.recv(min(PIECE, left))
            if not piece:
                raise EOFError(f"{left} of {length} bytes did not come")
            if expected.read(len(piece)) != piece:
                raise ValueError("what arrived is not what was sent")
            left -= len(piece)


def send(connection: socket.socket, source: Path, length: int) -> None:
    """Give the first bytes of a file."""
    with source.open("rb") as file:
        sent = 0
        while sent < length:
            sent += os.sendfile(connection.fileno(), file.fileno(), sent, length - sent)
