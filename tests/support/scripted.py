"""
The one helper that feeds scripted conversations: whole, byte by byte, in sizes 2 to 9 and
with a tail, each time to a server that knows nothing, and expects the same replies and the
same disk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filesrv.wire.replies import field_text, parse_reply
from tests.support.memory import GREETING_END, Client, Server

__all__ = ["Conversation", "Expected", "chunks", "normal", "read_replies"]

#: One of the server's lines as L{normal} writes it, a pattern for one line, or raw bytes.
Expected = str | bytes | re.Pattern[str]

#: What comes behind a script in the same read: a command, and one that never ends.
TAIL = b"ECHO the tail\nECHO the half of a li"

#: Scripts longer than this are fed in so many times larger pieces, or tests take minutes.
_LONG = 16 * 1024
_LARGER = 4099

_VARYING = re.compile(r" (?:seconds|bitrate)=\S+")
_OPAQUE = re.compile(r"(?<= )(version|modified)=\S+")
#: Where a download begins its digest may stand, as an extra.
_EXTRA = re.compile(r"(?<=modified=\*) blake3-4m=[0-9a-f]{64}")


def chunks(data: bytes, size: int) -> list[bytes]:
    """C{data} in pieces of C{size} bytes."""
    return [data[start : start + size] for start in range(0, len(data), size)]


def normal(line: str) -> str:
    """
    A reply without what differs from run to run, and a refusal without its words:
    C{OK size=3 modified=* version=*}, C{ERR BAD_OFFSET stored=3}.
    """
    if line.startswith("ERR "):
        reply = parse_reply(line.encode())
        parts = [f"ERR {reply.code}"] + [field_text(k, v) for k, v in reply.fields.items()]
        line = " ".join(parts)
    return _EXTRA.sub("", _OPAQUE.sub(r"\1=*", _VARYING.sub("", line)))


def read_replies(received: bytes, expected: Sequence[Expected], eol: bytes) -> None:
    """Hold what came against what is expected, and nothing may be left over."""
    rest = received
    for number, entry in enumerate(expected):
        if isinstance(entry, bytes):
            assert rest[: len(entry)] == entry, f"entry {number} of {expected}"
            rest = rest[len(entry) :]
            continue
        line, found, rest = rest.partition(b"\n")
        text = (line + found).removesuffix(eol).decode()
        if isinstance(entry, str):
            assert normal(text) == entry, f"entry {number}: {text!r}"
        else:
            assert entry.fullmatch(text), f"entry {number}: {text!r}"
        assert (line + found).endswith(eol), f"entry {number} ends wrongly: {line + found!r}"
        assert eol == b"\r\n" or not line.endswith(b"\r"), f"entry {number} ends in CRLF: {line!r}"
    assert rest == b"", f"more than was expected: {rest!r}"


@dataclass
class Conversation:
    """
    A place where conversations are had, each with a server of its own.

    @ivar prepare: what each server's root holds, and what was said, before.
    @ivar options: of L{Server}.
    """

    place: Path
    prepare: Callable[[Server], object] = lambda server: None
    options: dict[str, Any] = field(default_factory=dict)
    _count: int = 0

    def check(
        self,
        script: bytes,
        *expected: Expected,
        files: dict[str, bytes] | None = None,
        held: list[bytes] | None = None,
        eol: bytes = b"\n",
        closes: bool = False,
        half_close: bool = False,
        tail: bool = True,
    ) -> None:
        """
        Have the conversation in every way.

        @param script: all that the client sends.
        @param expected: what the server answers after its greeting.
        @param files: what is published in the end; L{None} if every way shall only
            come to the same.
        @param held: what is kept of unfinished uploads, likewise.
        @param eol: how the server ends its lines.
        @param closes: whether the server closes the connection by itself.
        @param half_close: whether the client closes its sending half after the script.
        @param tail: whether more may follow the script.
        """
        disks = []
        for server, client, pieces in self._ways(script, tail=tail):
            client.send(*pieces)
            if half_close:
                client.half_close()
            server.settle()
            answered = list(expected)
            if pieces[-1].endswith(TAIL) and not closes:
                read_replies(bytes(client.received), [*answered, b"the tail\n"], eol)
            else:
                read_replies(bytes(client.received), answered, eol)
            assert client.end_seen == (closes or half_close)
            assert client.closed == half_close
            disks.append((server.files(), server.held()))
        assert all(disk == disks[0] for disk in disks), disks
        assert files is None or disks[0][0] == files
        assert held is None or disks[0][1] == held

    def _ways(self, script: bytes, *, tail: bool) -> Iterator[tuple[Server, Client, list[bytes]]]:
        larger = _LARGER if len(script) > _LONG else 1
        ways = [[script], *(chunks(script, size * larger) for size in range(1, 10))]
        if tail:
            ways.append([script + TAIL])
        self._count += 1
        server = Server(self.place / str(self._count), **self.options)
        try:
            for pieces in ways:
                self.prepare(server)
                client = server.connect()
                assert client.received.endswith(GREETING_END)
                client.received.clear()
                yield server, client, pieces
                client.reset()
                server.wipe()
        finally:
            server.close()
