"""
Downloads into what cannot be gone back in: stdout, pipes and devices.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass

from filesrv.client.answers import FetchHead
from filesrv.client.connection import Connection
from filesrv.client.errors import ClientError, block_words
from filesrv.client.lines import Lines
from filesrv.client.patterns import Wanted
from filesrv.client.pipes import Stream
from filesrv.client.report import Journey
from filesrv.client.session import Session
from filesrv.transfer.digest import ALGORITHM, BlockDigests, differing_blocks
from filesrv.transfer.receive import Sink
from filesrv.wire.errors import Changed
from filesrv.wire.grammar import format_word

__all__ = ["stream", "stream_into"]


async def stream_into(session: Session, report: Lines, found: Sequence[Wanted], path: str) -> None:
    # For reading, too: a FIFO that nobody reads yet could not be opened otherwise.
    flags = os.O_RDWR if stat.S_ISFIFO(os.stat(path).st_mode) else os.O_WRONLY
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        await stream(session, report, found, descriptor)
    finally:
        os.close(descriptor)


async def stream(session: Session, report: Lines, found: Sequence[Wanted], descriptor: int) -> None:
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
