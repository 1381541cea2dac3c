"""
A long way on a short one: a relay that passes on what comes after a delay, and that can
be cut.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

__all__ = ["DELAY", "Passage", "Relay"]

#: Seconds each way, large beside all that the ends do in between.
DELAY = 0.05

#: What is read at a time, and how many of them may be under way in one direction.
_PIECE = 128 * 1024
_UNDER_WAY = 2048

#: Seconds that anything may take.
_PATIENCE = 60.0

#: Have closing reset the connection (socket(7), SO_LINGER), as a break does.
_RESET = struct.pack("ii", 1, 0)

_LINES = bytes(range(128))


@dataclass
class Passage:
    """
    One connection through the relay.

    @ivar accepted: when the client had it.
    @ivar first: when the first byte of a file had come to its end of the way.
    """

    accepted: float
    first: float | None = None
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def round_trips(self) -> float:
        """
        Until the first byte of a file was there.  The handshake, which the relay answers
        at once, counts as one.
        """
        assert self.first is not None, "no byte of a file came by"
        return 1 + (self.first - self.accepted) / (2 * DELAY)


class Relay:
    """
    As a context manager; it runs in a thread of its own.

    @ivar passages: the connections so far.
    @ivar reached: set when so many bytes of a file as L{hold_after} were passed on; then
        nothing moves until L{cut}.
    """

    def __init__(self, target: int) -> None:
        """
        @param target: the port where the server is.
        """
        self.port = 0
        self.passages: list[Passage] = []
        self.reached = threading.Event()
        self._target = target
        self._left: int | None = None
        self._loop: asyncio.AbstractEventLoop
        self._end: asyncio.Event
        self._broken: asyncio.Event
        self._ready = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._run(),), daemon=True)

    def __enter__(self) -> Relay:
        self._thread.start()
        assert self._ready.wait(_PATIENCE), "the relay does not start"
        return self

    def __exit__(self, *raised: object) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(_PATIENCE)

    def hold_after(self, payload: int) -> None:
        """Stop in the middle: when so many bytes of a file have come by; once."""
        self._left = payload

    def cut(self) -> None:
        """Reset all connections."""
        done = threading.Event()
        self._loop.call_soon_threadsafe(self._cut, done.set)
        assert done.wait(_PATIENCE), "the relay is stuck"

    def _cut(self, done: Callable[[], None]) -> None:
        self._left = None
        self._broken.set()
        for passage in self.passages:
            for writer in passage.writers:
                _reset(writer)
        done()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end, self._broken = asyncio.Event(), asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()

    async def _accept(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        passage = Passage(self._loop.time(), writers=[back])
        self.passages.append(passage)
        try:
            far, there = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            _reset(back)
            return
        passage.writers.append(there)
        ways = (self._pass_on(near, there, passage), self._pass_on(far, back, passage))
        # Cancelled at the end of it all, which the streams of Python 3.11 report as a fault.
        with suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(*ways)
        for writer in passage.writers:
            _reset(writer)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passage: Passage
    ) -> None:
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_UNDER_WAY)
        delivery = self._loop.create_task(self._deliver(waiting, writer, passage))
        data = b"something"
        with suppress(ConnectionError):
            while data and not delivery.done():
                data = await reader.read(_PIECE)
                await waiting.put((self._loop.time() + DELAY, data))
        await delivery

    async def _deliver(
        self,
        waiting: asyncio.Queue[tuple[float, bytes]],
        writer: asyncio.StreamWriter,
        passage: Passage,
    ) -> None:
        while True:
            due, data = await waiting.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            if not data:
                with suppress(OSError):
                    writer.write_eof()
                return
            writer.write(data)
            await writer.drain()
            if payload := len(data.translate(None, _LINES)):
                passage.first = passage.first or self._loop.time()
                await self._count(payload)

    async def _count(self, payload: int) -> None:
        if self._left is None:
            return
        self._left -= payload
        if self._left <= 0:
            self.reached.set()
            await self._broken.wait()


def _reset(writer: asyncio.StreamWriter) -> None:
    found = writer.get_extra_info("socket")
    with suppress(OSError):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
