"""
What both ends of a service over UDP go by.
"""

from __future__ import annotations

__all__ = ["BURST", "LARGEST", "RATE", "cost", "line_of"]

#: Bytes that one datagram over IPv4 holds at most: 65,535 without the headers of IP (20)
#: and UDP (8).
LARGEST = 65507

#: Bytes a second that a server answers to one address for as long as it is asked: enough
#: to test a network with, and nothing that would fill anybody's line.
RATE = 128 * 1024

#: Bytes that it answers at once before that: sixteen of the largest datagrams.
BURST = 1024 * 1024

#: What a datagram counts for at least, because a small one costs a network and its
#: routers not much less than one that fills an Ethernet frame.
_LEAST = 1024


def cost(size: int) -> int:
    """What a datagram with C{size} bytes counts for, in bytes."""
    return max(size, _LEAST)


def line_of(data: bytes) -> str:
    """A datagram that holds a line, as text without its ending."""
    return data.decode("utf-8", "replace").rstrip("\r\n")
