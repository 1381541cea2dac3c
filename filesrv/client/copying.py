"""
The commands that move files: what the user named becomes uploads and downloads.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from filesrv.client.answers import FetchHead
from filesrv.client.connection import Connection
from filesrv.client.downloads import Download, Downloads
from filesrv.client.errors import ClientError, GaveUp, block_words
from filesrv.client.lines import Lines
from filesrv.client.patterns import Wanted, has_wildcard, wanted
from filesrv.client.pipes import Stream, spool
from filesrv.client.places import PlacesBelow, place_at
from filesrv.client.report import Journey
from filesrv.client.session import Session
from filesrv.client.sources import find, upload_name
from filesrv.client.uploads import Upload, Uploads
from filesrv.transfer.digest import ALGORITHM, BlockDigests, differing_blocks
from filesrv.transfer.receive import Sink
from filesrv.wire.errors import Changed
from filesrv.wire.grammar import format_word

__all__ = ["download", "upload"]

_SPOOL = "spool"


async def upload(
    session: Session,
    files: Sequence[str],
    *,
    as_name: str | None = None,
    into: str = "",
    recursive: bool = False,
    if_absent: bool = False,
) -> None:
    """
    Upload files, directories, or with C{-} what comes in from a pipe.

    @param as_name: the name that the only one of them gets.
    @param into: the directory of the server that they go to.
    """
    report = session.report()
    spooled: Path | None = None
    try:
        if list(files) == ["-"]:
            spooled = await _spool_stdin(session, as_name or "stdin")
            uploads = [Upload(str(spooled), as_name or "stdin")]
            uploads[0].shown = uploads[0].name
        else:
            uploads = _found(report, files, as_name, into, recursive)
            _check_names(uploads)
        await _send(session, report, uploads, if_absent)
        _forget_spooled(session, uploads)
    except GaveUp as error:
        raise _given_up(error) from error
    finally:
        report.close()
        if spooled is not None and spooled.exists():
            _tell_of_spool(session, spooled, as_name or "stdin")


async def _send(
    session: Session, report: Lines, uploads: Sequence[Upload], if_absent: bool
) -> None:
    report.expect(len(uploads), sum(_size(each.path) for each in uploads))
    runs = Uploads(
        session.reactor,
        session.recovery,
        report,
        session.journal(),
        pace=session.pace(),
        if_absent=if_absent,
        verify=session.settings.verify,
    )
    await runs.run(uploads)


async def _spool_stdin(session: Session, name: str) -> Path:
    stdin = session.console.stdin.fileno()
    return await spool(session.reactor, stdin, session.state.directory(_SPOOL), name)


def _found(
    report: Lines, files: Sequence[str], as_name: str | None, into: str, recursive: bool
) -> list[Upload]:
    uploads: list[Upload] = []
    for path in files:
        for found in find(path, recursive):
            if found.skipped:
                report.note(f"{found.path} is left out: {found.skipped}")
                continue
            name = upload_name(into, found.name)
            if as_name is not None:
                name = "/".join([as_name.rstrip("/"), *found.name.split("/")[1:]])
            uploads.append(Upload(found.path, name))
    return uploads


def _check_names(uploads: Sequence[Upload]) -> None:
    """
    @raise ClientError: two files would get one name.
    """
    taken: dict[str, str] = {}
    for each in uploads:
        other = taken.setdefault(each.name, each.path)
        if other != each.path:
            both = f"{format_word(other)} and {format_word(each.path)}"
            raise ClientError(f"{both} would both become {format_word(each.name)} there")


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:  # Reported when its turn comes.
        return 0


def _forget_spooled(session: Session, uploads: Sequence[Upload]) -> None:
    """What came in from a pipe has no other use than to arrive."""
    kept_in = os.path.realpath(session.state.path / _SPOOL)
    directories = {os.path.dirname(each.path) for each in uploads}
    spools = {path for path in directories if os.path.realpath(path) == kept_in}
    for each in uploads:
        if os.path.dirname(each.path) in spools:
            with suppress(OSError):
                os.unlink(each.path)


def _tell_of_spool(session: Session, spooled: Path, name: str) -> None:
    session.console.error(
        f"what came in from the pipe is in {spooled}; go on with: filesrv --server "
        f"{session.server} upload {format_word(str(spooled))} --as {format_word(name)}"
    )


def _given_up(error: GaveUp) -> GaveUp:
    return GaveUp(
        f"given up for now: {error}; what has arrived is kept, and the same command goes "
        "on from there"
    )


async def download(
    session: Session, names: Sequence[str], *, output: str | None = None, recursive: bool = False
) -> None:
    """
    Download files, directories, or what matches patterns.

    @param output: a file, a directory, or C{-} for stdout.
    """
    to_stdout = output == "-"
    report = session.report(lines_to_stderr=to_stdout)
    try:
        found = await _wanted(session, names, recursive)
        if to_stdout:
            await _stream(session, report, found, session.console.stdout.fileno())
        elif output is not None and _is_device(output):
            await _stream_into(session, report, found, output)
        else:
            # A name that looks like a pattern may be just that name.
            many = recursive or [each.name for each in found] != list(names) or len(names) > 1
            below = PlacesBelow(output or "")
            try:
                await _fetch(session, report, _placed(found, below, output, many))
            finally:
                below.close()
    except GaveUp as error:
        raise _given_up(error) from error
    finally:
        report.close()


async def _wanted(session: Session, names: Sequence[str], recursive: bool) -> list[Wanted]:
    if not recursive and not any(map(has_wildcard, names)):
        # Nothing to be asked first: each is what it says.
        return [Wanted(name, None, (os.path.basename(name) or name,)) for name in names]

    async def expand(connection: Connection) -> list[Wanted]:
        found: dict[str, Wanted] = {}
        for name in names:
            for each in await wanted(connection, name, recursive):
                found.setdefault(each.name, each)
        return list(found.values())

    return await session.recovery.run(expand)


def _placed(
    found: Sequence[Wanted], below: PlacesBelow, output: str | None, many: bool
) -> list[Download]:
    """
    @param below: the places in the directory that C{output} is, if it is one.
    @raise ClientError: two files would get one place.
    """
    taken: dict[tuple[str, ...], str] = {}
    for each in found:
        other = taken.setdefault(each.parts, each.name)
        if other != each.name:
            both = f"{format_word(other)} and {format_word(each.name)}"
            raise ClientError(f"{both} would both become {'/'.join(each.parts)} here")
    if output is not None and not many and not output.endswith("/") and not os.path.isdir(output):
        (only,) = found
        return [Download(only.name, partial(place_at, output), output)]
    directory = "" if output is None else output
    return [
        Download(
            each.name,
            partial(below.place, each.parts),
            os.path.join(directory, *each.parts),
            each.size,
        )
        for each in found
    ]


async def _fetch(session: Session, report: Lines, downloads: Sequence[Download]) -> None:
    report.expect(len(downloads), None)
    runs = Downloads(
        session.reactor,
        session.recovery,
        report,
        str(session.server),
        pace=session.pace(),
        verify=session.settings.verify,
        flushing=session.flushing,
    )
    await runs.run(downloads)


def _is_device(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


async def _stream_into(session: Session, report: Lines, found: Sequence[Wanted], path: str) -> None:
    # For reading, too: a FIFO that nobody reads yet could not be opened otherwise.
    flags = os.O_RDWR if stat.S_ISFIFO(os.stat(path).st_mode) else os.O_WRONLY
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        await _stream(session, report, found, descriptor)
    finally:
        os.close(descriptor)


async def _stream(
    session: Session, report: Lines, found: Sequence[Wanted], descriptor: int
) -> None:
    """One file after the other into something that cannot be gone back in."""
    report.expect(len(found), None)
    for each in found:
        await _stream_one(session, report, each, descriptor)


async def _stream_one(session: Session, report: Lines, each: Wanted, descriptor: int) -> None:
    journey = Journey(session.reactor, each.name, each.size or 0, report, session.recovery.moved)
    streaming = _Streaming(session, each.name, journey, descriptor)
    try:
        await session.recovery.run(streaming.fetch)
        await streaming.stream.flushed()
    finally:
        streaming.stream.close()
    report.done(journey.summary())


class _Streaming:
    """
    One file on its way into something that cannot be gone back in.

    @ivar stream: what takes it.
    """

    def __init__(self, session: Session, name: str, journey: Journey, descriptor: int) -> None:
        self._session = session
        self._name = name
        self._journey = journey
        self._digests = BlockDigests()
        self._version: str | None = None
        self._current: Connection | None = None
        self.stream = Stream(session.reactor, descriptor, self._hold)

    async def fetch(self, connection: Connection) -> None:
        """Go on, over one connection."""
        self._current = connection
        self._journey.next_try()
        try:
            fetched = await connection.download(
                self._name,
                self._begin,
                offset=self.stream.size,
                version=self._version,
                pace=self._session.pace(),
                moved=self._journey.at,
            )
            if self._session.settings.verify:
                await _verify_stream(connection, self._name, fetched.head, self._digests)
        except Changed:
            raise ClientError(
                f"{format_word(self._name)} has changed on the server; what was written is "
                "the beginning of the file that it was"
            ) from None
        finally:
            self._current = None

    def _begin(self, head: FetchHead) -> Sink:
        self._version, self._journey.size = head.version, head.size
        return _Hashed(self.stream, self._digests)

    def _hold(self, held: bool) -> None:
        self._session.recovery.wait_for_us(held)
        if self._current is not None:
            self._current.hold(held)


@dataclass(frozen=True)
class _Hashed:
    """A sink that takes the digest of what goes in."""

    stream: Stream
    digests: BlockDigests

    def write(self, data: bytes | memoryview) -> None:
        self.stream.write(data)
        self.digests.update(data)


async def _verify_stream(
    connection: Connection, name: str, head: FetchHead, digests: BlockDigests
) -> None:
    """
    @raise ClientError: what was written is not what the server has, and nothing can be
        done about that any more.
    """
    digest = head.digest or (await connection.hash(name, ALGORITHM)).digest
    if digest == digests.hexdigest():
        return
    if (await connection.stat(name)).version != head.version:
        raise Changed
    differing = differing_blocks(digests.blocks(), await connection.sums(name))
    raise ClientError(
        f"{format_word(name)} was not written as it is: {block_words(differing)} changed on the way"
    )
