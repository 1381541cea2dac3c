"""
One connection to a server, and what can be asked over it.

Each operation is a coroutine over L{filesrv.client.protocol}; several may run at once,
their commands are then sent ahead and answered in that order.  Cancelling one in the
middle ends the connection, because what the server says next would belong to nobody.
Going on after a break is L{filesrv.client.recovery}'s.
"""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionLost

from filesrv.client import answers
from filesrv.client.answers import (
    Entry,
    Fetched,
    FetchHead,
    Hashed,
    Pending,
    Status,
    Stored,
)
from filesrv.client.exchange import SmallDownload, SmallUpload
from filesrv.client.protocol import ClientProtocol, Turn
from filesrv.transfer.digest import ALGORITHM
from filesrv.transfer.pace import Pace
from filesrv.transfer.receive import Sink
from filesrv.transfer.send import Run
from filesrv.wire.grammar import format_command
from filesrv.wire.replies import MalformedReply, Reply
from filesrv.wire.times import utc_time

if TYPE_CHECKING:
    from filesrv.client.trust import Trust

__all__ = ["Connection", "Moved", "Ready"]

#: Told of a transfer's position in the file, in bytes, whenever it advances.
Moved = Callable[[int], None]

#: Told where a transfer goes on, before its first byte.
Ready = Callable[[int], Awaitable[None]]


async def _at_once(offset: int) -> None:
    """Nothing has to be done before the first byte."""


#: What sending fails with when the connection is gone; what it is then, the reading
#: side says: it may still hold the server's last words.
_CONNECTION_GONE = frozenset(
    {
        errno.EPIPE,
        errno.ECONNRESET,
        errno.ECONNABORTED,
        errno.ETIMEDOUT,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.ENETDOWN,
        errno.ENOTCONN,
    }
)


class Connection:
    """
    What can be asked of a server.

    Every operation raises L{filesrv.wire.errors.FilesrvError} when the server refuses,
    L{filesrv.client.errors.ConnectionEnded} when the connection ends first, and
    L{filesrv.wire.replies.MalformedReply} when the answer is not of this protocol.
    """

    def __init__(self, protocol: ClientProtocol) -> None:
        self._protocol = protocol

    @property
    def usable(self) -> bool:
        """Whether anything can still be asked."""
        return self._protocol.lost is None and self._protocol.last_words is None

    @property
    def secure(self) -> bool:
        """Whether nobody on the way can listen."""
        return self._protocol.secure

    def abort(self) -> None:
        """End the connection at once."""
        self._protocol.abort()

    def close(self) -> Deferred[None]:
        """End the connection in order; fires when it has ended."""
        return self._protocol.close()

    async def start_tls(self, host: str, trust: Trust) -> None:
        """
        Have TLS from here on.

        @param host: as the user has named the server.
        @raise NoTLS: the server has not proved who it is, or there is no TLS with it.
        """
        from filesrv.client.trust import secure

        await self._ask("STARTTLS")
        await secure(self._protocol, host, trust)

    async def hello(self, token: str) -> str:
        """Be known by C{token} instead of the address; who the server takes this for."""
        return (await self._ask("HELLO", token)).fields.get("client", "")

    async def login(self, user: str, password: str) -> None:
        """
        Be known as a user.  A wrong password is answered after a while.

        @raise filesrv.wire.errors.LoginFailed: user or password are wrong.
        """
        async with self._protocol.turn(format_command("LOGIN", user, password)) as turn:
            turn.may_take_long = True
            await turn.reply()

    async def echo(self, text: bytes) -> bytes:
        """C{text}, as it came back.  It is one line."""
        async with self._protocol.turn(b"ECHO " + text) as turn:
            return await turn.line()

    async def time(self) -> str:
        """The server's time as it writes it (RFC 3339)."""
        async with self._protocol.turn(b"TIME") as turn:
            return (await turn.line()).decode("ascii", "replace")

    async def help(self, command: str = "") -> Sequence[str]:
        """The server's own help, line by line."""
        lines = await self._list("HELP", *[command] * bool(command))
        return [line.decode("utf-8", "replace") for line in lines]

    async def list(self, directory: str = "") -> Sequence[Entry]:
        """What is in a directory; C{""} is the root."""
        return answers.read_entries(await self._list("LIST", *[directory] * bool(directory)))

    async def pending(self) -> Sequence[Pending]:
        """This client's unfinished transfers."""
        return answers.read_pending(await self._list("PENDING"))

    async def stat(self, name: str) -> Status:
        """Size, time and version of a file."""
        return answers.read_status(await self._ask("STAT", name))

    async def hash(self, name: str, algorithm: str = "sha256") -> Hashed:
        """A file's digest, computed by the server."""
        async with self._protocol.turn(format_command("HASH", name, algorithm)) as turn:
            turn.may_take_long = True
            return answers.read_hashed(await turn.reply(), algorithm)

    async def sums(self, name: str) -> bytes:
        """
        The digests of the blocks of this client's unfinished upload of C{name}, or if
        there is none of the file, one after the other.
        """
        async with self._protocol.turn(format_command("SUMS", name)) as turn:
            turn.may_take_long = True
            return answers.read_sums(await turn.counted())

    async def commit(self, name: str, digest: str) -> Stored:
        """
        Publish an upload that was begun with C{ask}.

        @param digest: the C{blake3-4m} of the whole file.
        @raise filesrv.wire.errors.BadChecksum: that of what arrived is another.
        """
        async with self._protocol.turn(_commit_command(name, digest)) as turn:
            turn.may_take_long = True
            reply = await turn.reply()
            return Stored(reply.fields.get("stored", name), reply.count("size"), 0)

    async def delete(self, name: str) -> None:
        """Remove a file or an empty directory."""
        await self._ask("DELETE", name)

    async def rename(self, old: str, new: str) -> None:
        """Give a file another name."""
        await self._ask("RENAME", old, new)

    async def discard(self, name: str) -> None:
        """Make the server forget this client's unfinished upload of C{name}."""
        await self._ask("DISCARD", name)

    async def upload(
        self,
        name: str,
        descriptor: int,
        size: int,
        *,
        offset: int | None = None,
        ask: bool = False,
        modified: int | None = None,
        if_absent: bool = False,
        pace: Pace | None = None,
        ready: Ready = _at_once,
        moved: Moved | None = None,
    ) -> Stored:
        """
        Upload the first C{size} bytes of an open file.

        @param descriptor: of the file; it stays the caller's.
        @param offset: exactly from there; L{None} for where the server says.
        @param ask: publish it only when L{commit} is called.
        @param modified: nanoseconds since the epoch.
        @param moved: told first of the offset, then of each advance.
        @raise filesrv.transfer.send.FileShrank: the file ended early.
        @raise OSError: it could not be read.
        """
        line = _upload_command(name, size, offset, ask, modified, if_absent)
        async with self._protocol.exclusive_turn(line) as turn:
            start, length = answers.read_upload_head(await turn.reply(), size)
            turn.midway = length > 0
            await ready(start)
            progress = _Progress(start, moved)
            stored: Deferred[Reply] = Deferred()
            told = Deferred.fromCoroutine(turn.reply()).addBoth(stored.callback)
            await self._send(Run(descriptor, start, length), told, pace, progress)
            turn.let_others_write()
            reply = await stored
            if progress.position != size:
                raise MalformedReply("the server took an upload for done that is not")
            turn.midway = False
        return Stored(reply.fields.get("stored", name), size, length)

    async def _send(
        self, run: Run, told: Deferred[None], pace: Pace | None, progress: _Progress
    ) -> None:
        """
        Send until all is sent or the server has spoken its last word of it.

        @param told: fires when it has, with that kept elsewhere.
        """
        sending = Deferred.fromCoroutine(self._protocol.outflow.send(run, pace, progress.add))

        told.addCallback(lambda _: sending.cancel())
        try:
            await sending
        except BaseException as error:
            stopped = isinstance(error, CancelledError) and told.called
            gone = isinstance(error, OSError) and error.errno in _CONNECTION_GONE
            if not (stopped or gone or isinstance(error, ConnectionLost)):
                raise

    async def upload_small(
        self,
        name: str,
        data: bytes,
        *,
        digest: str | None = None,
        modified: int | None = None,
        if_absent: bool = False,
    ) -> Stored:
        """
        Upload a small file without waiting for the server to say where to begin, so
        that many of them are on their way at once.

        @param data: at most as much as a server skips of a refused upload: 1 MiB.
        @param digest: its C{blake3-4m}, to be published only if it arrives as that.
        """
        commits = digest is not None
        line = _upload_command(name, len(data), 0, commits, modified, if_absent)
        said = [line, b"\n", data]
        if digest is not None:
            # Sent ahead: refused, too, if the upload is.
            said += [_commit_command(name, digest), b"\n"]
        upload = SmallUpload(self._protocol, len(data), commits)
        await self._protocol.exchanged_for(b"".join(said), upload)
        return Stored(name, len(data), len(data))

    async def download_small(
        self, name: str, begin: Callable[[FetchHead], Sink], moved: Moved
    ) -> None:
        """
        Download a file from its start, as L{download} does, for less where it is small.
        """
        fetch = SmallDownload(self._protocol, begin, moved)
        await self._protocol.exchanged_for(format_command("DOWNLOAD", name) + b"\n", fetch)

    async def download(
        self,
        name: str,
        begin: Callable[[FetchHead], Sink],
        *,
        offset: int = 0,
        length: int | None = None,
        version: str | None = None,
        pace: Pace | None = None,
        moved: Moved | None = None,
    ) -> Fetched:
        """
        Download a file from C{offset} on.

        @param length: so many bytes at most; L{None} for all.

        @param begin: told what comes, before the first byte; what it returns takes the
            bytes.  Its errors, and those of the sink, end the connection.
        @param version: of which C{offset} bytes are here already.
        @param moved: told first of the offset, then of each advance.
        @raise filesrv.wire.errors.Changed: the file is no longer that version.
        """
        where = [offset] if offset or version or length is not None else []
        where += [] if length is None else [length]
        line = format_command("DOWNLOAD", name, *where, if_=version)
        async with self._protocol.turn(line) as turn:
            head = answers.read_fetch_head(await turn.reply(), offset, length)
            await self._receive(turn, begin, head, pace, moved)
            answers.check_sent(await turn.reply(), head.length)
        return Fetched(head, head.length)

    async def _receive(
        self,
        turn: Turn,
        begin: Callable[[FetchHead], Sink],
        head: FetchHead,
        pace: Pace | None,
        moved: Moved | None,
    ) -> None:
        turn.midway = True
        sink = _CountingSink(begin(head), _Progress(head.offset, moved))
        await turn.payload(sink, head.length, pace)
        turn.midway = False

    def hold(self, held: bool) -> None:
        """Stop taking bytes off the connection, or go on."""
        self._protocol.hold(held)

    async def _ask(self, verb: str, *arguments: str) -> Reply:
        async with self._protocol.turn(format_command(verb, *arguments)) as turn:
            return await turn.reply()

    async def _list(self, verb: str, *arguments: str) -> Sequence[bytes]:
        async with self._protocol.turn(format_command(verb, *arguments)) as turn:
            return await turn.counted()


def _upload_command(
    name: str, size: int, offset: int | None, ask: bool, modified: int | None, if_absent: bool
) -> bytes:
    return format_command(
        "UPLOAD",
        name,
        size,
        *() if offset is None else (offset,),
        commit="ask" if ask else None,
        modified=None if modified is None else utc_time(modified),
        if_absent="yes" if if_absent else None,
    )


def _commit_command(name: str, digest: str) -> bytes:
    return format_command("COMMIT", name, **{ALGORITHM: digest})


class _Progress:
    """Turns counts of bytes into positions."""

    def __init__(self, offset: int, moved: Moved | None) -> None:
        self.position = offset
        self._moved = moved
        self.add(0)

    def add(self, count: int) -> None:
        """So many more."""
        self.position += count
        if self._moved is not None:
            self._moved(self.position)


class _CountingSink:
    """A sink that tells of what went in."""

    def __init__(self, sink: Sink, progress: _Progress) -> None:
        self._sink = sink
        self._progress = progress

    def write(self, data: bytes | memoryview) -> None:
        """Take all of C{data}."""
        self._sink.write(data)
        self._progress.add(len(data))
