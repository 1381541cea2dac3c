"""
How many files and connections the system lets this process have open (RLIMIT_NOFILE of
getrlimit(2)), and how that is divided.
"""

from __future__ import annotations

import resource
from dataclasses import replace

from filesrv.server.limits import Limits

__all__ = ["LEAST", "fitted", "raise_descriptor_limit"]

#: For databases, ports, the log, directories while names are walked, and what runs beside;
#: of few, half.
OTHERS = 128

#: A daemon that nobody uses has about 25 open; with fewer than these there is no serving.
LEAST = 64

#: Of the rest connections get this part at most, so that who was let in is served, too.
FOR_CONNECTIONS = 0.75

#: An upload has two files open besides its connection; a download one, and a duplicate of
#: the socket.
PER_TRANSFER = 2


def raise_descriptor_limit() -> int:
    """Ask for as many as the system gives; how many those are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # macOS has another limit behind this one.
            return soft
    return hard


def fitted(limits: Limits, descriptors: int) -> Limits:
    """The limits on connections and transfers, so that none ever lacks a descriptor."""
    available = descriptors - min(OTHERS, descriptors // 2)
    connections = min(limits.connections, int(available * FOR_CONNECTIONS))
    transfers = min(limits.transfers, (available - connections) // PER_TRANSFER)
    return replace(limits, connections=connections, transfers=transfers)
