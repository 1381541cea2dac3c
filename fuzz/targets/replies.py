"""What a server says to a client, if it is any server at all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from filesrv.client import answers
from filesrv.client.console import printable
from filesrv.wire.errors import FilesrvError
from filesrv.wire.names import check_name
from filesrv.wire.replies import MalformedReply, Reply, err, parse_reply

__all__ = ["check"]

_READ: tuple[Callable[[Reply], Any], ...] = (
    answers.read_status,
    lambda reply: answers.read_hashed(reply, "sha256"),
    lambda reply: answers.read_upload_head(reply, 10),
    lambda reply: answers.read_fetch_head(reply, 4),
    lambda reply: answers.read_fetch_head(reply, 0, 5),
    lambda reply: reply.count("lines"),
)


def check(data: bytes) -> None:
    """
    @raise AssertionError: something was believed that cannot be.
    """
    lines = data.split(b"\n")
    for line in lines:
        with suppress(MalformedReply):
            _reply(parse_reply(line))
    with suppress(MalformedReply):
        for entry in answers.read_entries(lines):
            check_name(entry.name.removesuffix("/"))
            assert entry.size is None or entry.size >= 0
    with suppress(MalformedReply):
        for pending in answers.read_pending(lines):
            check_name(pending.name)
    with suppress(MalformedReply):
        assert len(answers.read_sums(lines)) == 32 * len(lines)


def _reply(reply: Reply) -> None:
    assert printable(reply.words).isprintable()
    error = reply.error
    if error is not None:
        assert isinstance(error, FilesrvError)
        assert b"\n" not in err(error)
    for read in _READ:
        with suppress(MalformedReply):
            read(reply)
