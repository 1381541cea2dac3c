"""
Conversations as bytes that a fuzzer can cut, join and change, and that a person can read.

All bytes are what the current client sends, but for a NUL with a letter behind it, which
is a step: see L{STEPS}.  ``\\0`` and anything else stands for these two bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

__all__ = ["CLIENTS", "STEPS", "Step", "read_script", "write_script"]

#: How many clients there are; each has one connection at a time.
CLIENTS = 3

#: What the letters mean.
STEPS: dict[int, str] = {
    ord("1"): "client 1",
    ord("2"): "client 2",
    ord("3"): "client 3",
    ord("|"): "read",  # what was sent so far comes in one read
    ord("n"): "connect anew",  # over the old connection, of which nothing is heard any more
    ord("h"): "half-close",
    ord("r"): "reset",
    ord("d"): "die",
    ord("s"): "read slowly",
    ord("f"): "read on",
    ord("t"): "a second",
    ord("T"): "minutes",
    ord("D"): "days",
    ord("R"): "restart",
    ord("M"): "a megabyte",
    ord("K"): "many bytes",
}

_LETTERS = {meaning: letter for letter, meaning in STEPS.items()}


class Step(NamedTuple):
    """One step; C{data} is what is sent, and is empty for all others."""

    what: str
    data: bytes = b""


def read_script(script: bytes, most: int = 200) -> Iterator[Step]:
    """At most C{most} steps of a script, so that none takes for ever."""
    literal = bytearray()
    position = count = 0
    while position < len(script) and count < most:
        byte = script[position]
        after = script[position + 1] if byte == 0 and position + 1 < len(script) else None
        position += 1 if after is None else 2
        if after in STEPS:
            if literal:
                yield Step("send", bytes(literal))
                literal.clear()
            yield Step(STEPS[after])
            count += 1
        else:
            literal += bytes([byte]) if after is None else bytes([byte, after])
    if literal:
        yield Step("send", bytes(literal))


def write_script(steps: Iterable[Step]) -> bytes:
    """The script of these steps, which L{read_script} reads back."""
    parts = []
    for step in steps:
        if step.what == "send":
            parts.append(step.data)
        else:
            parts.append(bytes([0, _LETTERS[step.what]]))
    return b"".join(parts)
