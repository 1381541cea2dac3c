"""
What the server's answers mean, as frozen values.

Whatever a server sends is checked here before anything is done with it: a name that
climbs out of a directory, or a count that cannot be, never leaves this module.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from filesrv.transfer.digest import ALGORITHM, DIGEST_SIZE
from filesrv.wire.errors import BadArguments, BadName
from filesrv.wire.grammar import Word, number, words
from filesrv.wire.names import check_name
from filesrv.wire.replies import MalformedReply, Reply
from filesrv.wire.times import parse_time

__all__ = [
    "Entry",
    "FetchHead",
    "Fetched",
    "Hashed",
    "Pending",
    "Status",
    "Stored",
    "check_sent",
    "read_entries",
    "read_fetch_head",
    "read_hashed",
    "read_pending",
    "read_status",
    "read_sums",
    "read_upload_head",
]


class Entry(NamedTuple):
    """
    One line of LIST.

    @ivar name: the whole name; that of a directory ends in a slash.
    @ivar size: L{None} for a directory.
    @ivar modified: nanoseconds since the epoch.
    """

    name: str
    size: int | None
    modified: int

    @property
    def is_directory(self) -> bool:
        """Whether other names lie under this one."""
        return self.size is None


@dataclass(frozen=True)
class Status:
    """
    What STAT says.

    @ivar size: bytes of the published file.
    @ivar modified: nanoseconds since the epoch.
    @ivar version: changes whenever the content may have.
    @ivar stored: bytes that are here of this client's unfinished upload, if there is one.
    """

    size: int
    modified: int | None
    version: str
    stored: int | None


@dataclass(frozen=True)
class Pending:
    """
    One line of PENDING.

    @ivar direction: C{upload} or C{download}.
    @ivar expires: when it is forgotten, as the server writes it.
    @ivar last: how its last connection ended, if the server knows.
    """

    direction: str
    offset: int
    size: int
    expires: str
    name: str
    last: str | None


@dataclass(frozen=True)
class Hashed:
    """A digest that the server computed, in hexadecimal."""

    algorithm: str
    digest: str
    size: int


@dataclass(frozen=True)
class Stored:
    """
    The end of an upload.

    @ivar size: bytes of the file.
    @ivar moved: bytes that went over the wire this time.
    """

    name: str
    size: int
    moved: int


class FetchHead(NamedTuple):
    """
    The beginning of a download.

    @ivar length: bytes that follow, from C{offset} on.
    @ivar modified: nanoseconds since the epoch, if the server says so.
    @ivar digest: the C{blake3-4m} of the whole file, if the server has it at hand.
    """

    offset: int
    length: int
    size: int
    version: str
    modified: int | None
    digest: str | None = None


@dataclass(frozen=True)
class Fetched:
    """
    The end of a download.

    @ivar moved: bytes that came over the wire this time.
    """

    head: FetchHead
    moved: int


def read_entries(lines: Iterable[bytes]) -> list[Entry]:
    """
    The lines of LIST.

    @raise MalformedReply: one of them is none, or holds a name that no file may have.
    """
    return [_entry(line) for line in lines]


def _entry(line: bytes) -> Entry:
    found = _words(line)
    try:
        size, modified, name = [word.positional for word in found[:3]]
        check_name(name.removesuffix("/"))
        is_directory = size == "-"
        if is_directory != name.endswith("/"):
            raise BadArguments
        return Entry(name, None if is_directory else number(size), parse_time(modified))
    except (ValueError, BadArguments, BadName):
        raise MalformedReply("the server lists something that is no name of a file") from None


def _words(line: bytes) -> list[Word]:
    try:
        return list(words(line))
    except BadArguments:
        raise MalformedReply("the server's list cannot be read") from None


def read_pending(lines: Iterable[bytes]) -> list[Pending]:
    """
    The lines of PENDING.

    @raise MalformedReply: one of them cannot be read.
    """
    return [_pending(line) for line in lines]


def _pending(line: bytes) -> Pending:
    found = _words(line)
    # Behind the name come fields, and a newer server may have more of them.
    fields = {word.key: word.text for word in found[5:] if word.key is not None}
    try:
        direction, offset, size, expires, name = [word.positional for word in found[:5]]
        return Pending(
            direction, number(offset), number(size), expires, check_name(name), fields.get("last")
        )
    except (ValueError, BadArguments, BadName):
        raise MalformedReply("the server's list cannot be read") from None


def read_status(reply: Reply) -> Status:
    """
    @raise MalformedReply: a field is missing or nonsense.
    """
    stored = reply.count("stored") if "stored" in reply.fields else None
    # Of a file that is only partly here there is nothing but that to say.
    size = reply.count("size") if "size" in reply.fields or stored is None else stored
    return Status(size, _modified(reply), reply.fields.get("version", ""), stored)


def read_hashed(reply: Reply, algorithm: str) -> Hashed:
    """
    @raise MalformedReply: a field is missing.
    """
    digest = reply.fields.get(algorithm)
    if digest is None:
        raise MalformedReply(f"the reply lacks {algorithm}=")
    return Hashed(algorithm, digest, reply.count("size"))


def read_upload_head(reply: Reply, size: int) -> tuple[int, int]:
    """
    Where an upload goes on, and how many bytes are wanted.

    @raise MalformedReply: that is not the rest of C{size} bytes.
    """
    offset, length = reply.count("offset"), reply.count("length")
    if offset + length != size:
        raise MalformedReply("the server wants other bytes than the file's")
    return offset, length


def read_fetch_head(reply: Reply, offset: int, most: int | None = None) -> FetchHead:
    """
    @param offset: what was asked for.
    @param most: how many bytes were asked for, L{None} for all of them.
    @raise MalformedReply: what is announced is not the rest of the file from there.
    """
    length, size = reply.count("length"), reply.count("size")
    wanted = size - offset if most is None else min(most, size - offset)
    if reply.count("offset") != offset or length != wanted:
        raise MalformedReply("the server announces other bytes than were asked for")
    fields = reply.fields
    return FetchHead(
        offset, length, size, fields.get("version", ""), _modified(reply), fields.get(ALGORITHM)
    )


def check_sent(reply: Reply, length: int) -> None:
    """
    @param length: what was announced, and arrived.
    @raise MalformedReply: the server has sent something else.
    """
    if reply.fields.get("sent", str(length)) != str(length):
        raise MalformedReply("the server sent other bytes than it announced")


def read_sums(lines: Iterable[bytes]) -> bytes:
    """
    The lines of SUMS, as one concatenation of digests.

    @raise MalformedReply: one of them is no digest.
    """
    try:
        digests = [bytes.fromhex(line.decode("ascii")) for line in lines]
    except ValueError:
        raise MalformedReply("the server's digests cannot be read") from None
    if any(len(digest) != DIGEST_SIZE for digest in digests):
        raise MalformedReply("the server's digests cannot be read")
    return b"".join(digests)


def _modified(reply: Reply) -> int | None:
    text = reply.fields.get("modified")
    try:
        return None if text is None else parse_time(text)
    except BadArguments:
        raise MalformedReply("the server's time cannot be read") from None
