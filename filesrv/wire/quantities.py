"""
Amounts of bytes as people write them: C{500k}, C{10M}, C{2G}, C{1GiB}.
"""

from __future__ import annotations

import re

__all__ = ["parse_bytes", "parse_rate"]

_AMOUNT = re.compile(r"([0-9]{1,19}(?:\.[0-9]+)?)(?:([kKmMgGtT])(i?))?[bB]?", re.ASCII)

#: The place of a prefix is its power, of 1000 as networks and disks use them (IEC 80000-13),
#: or of 1024 with an C{i} behind it.
_PREFIXES = " kmgt"


def parse_bytes(text: str) -> int:
    """
    @raise ValueError: neither a number nor one with a prefix.
    """
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no amount of bytes, such as 500k, 10M or 2GiB")
    number, prefix, binary = match.groups()
    power = _PREFIXES.index((prefix or " ").lower())
    factor = (1024 if binary else 1000) ** power
    return int(float(number) * factor) if "." in number else int(number) * factor


def parse_rate(text: str) -> float:
    """
    C{500k} or C{10M}, perhaps with C{B/s} behind it: bytes a second.

    @raise ValueError: it is none, or less than one.
    """
    try:
        rate = parse_bytes(text.strip().removesuffix("/s"))
    except ValueError:
        rate = 0
    if rate < 1:
        raise ValueError(f"{text!r} is no rate: bytes a second, such as 500k or 10M")
    return float(rate)
