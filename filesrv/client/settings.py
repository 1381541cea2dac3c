"""
What the user may set for every command, and what holds if nothing is set.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from filesrv.client.address import ServerAddress

__all__ = ["Settings", "parse_rate"]

_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kKmMgG]?)(?:i?[bB])?(?:/s)?", re.ASCII)
_FACTORS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3}


@dataclass(frozen=True)
class Settings:
    """
    @ivar server: L{None} if nobody has said where it is.
    @ivar use_token: whether servers are to know this client by its token.
    @ivar patience: seconds without a new byte until somebody is asked.
    @ivar on_trouble: what is done then: C{ask}, C{retry} or C{stop}.
    @ivar dead_after: seconds after which a server that does not answer is gone.
    @ivar stall_timeout: seconds after which one that answers but moves nothing is.
    @ivar limit_rate: bytes a second, or L{None}.
    @ivar verify: whether digests have to agree before a file gets its name.
    """

    server: ServerAddress | None = None
    use_token: bool = True
    patience: float = 90.0
    on_trouble: str = "ask"
    dead_after: float = 30.0
    stall_timeout: float = 300.0
    limit_rate: float | None = None
    verify: bool = True
    quiet: bool = False
    as_json: bool = False
    debug: bool = False


def parse_rate(text: str) -> float:
    """
    C{500k} or C{10M}: bytes a second, with decimal prefixes as networks use them.

    @raise ValueError: neither a number nor one with a prefix.
    """
    match = _RATE.fullmatch(text.strip())
    rate = float(match[1]) * _FACTORS[match[2].lower()] if match else 0.0
    if rate < 1:
        raise ValueError(f"{text!r} is no rate: bytes a second, such as 500k or 10M")
    return rate
