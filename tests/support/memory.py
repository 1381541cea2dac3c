"""
A daemon in memory: the real factory, protocol, store and registry over a reactor that
moves only when it is told to, and transports that are Twisted's own but for the socket.

Twisted's L{FileDescriptor} does the buffering, so that producers are paused, resumed and
stopped as they are on a real connection.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import deque
from pathlib import Path
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from filesrv.access.access import Access
from filesrv.server.factory import FilesrvFactory
from filesrv.server.limits import DEFAULTS, Limits
from filesrv.server.shelves import Shelves, open_shelves
from filesrv.transfer.certificates import Credentials
from filesrv.transfer.liveness import Liveness

__all__ = ["DAY", "GREETING_END", "Client", "MemoryReactor", "Server", "open_descriptors"]

DAY = 86400.0

#: The greeting is unasked, and so ends in CRLF.
GREETING_END = b"\r\n"

#: Turns after which something goes round in circles.
_TOO_MANY_TURNS = 2_000_000

#: Up to so many seconds pass one by one.
_BY_SECONDS = 1000.0


class MemoryReactor(Clock):
    """
    A clock, and descriptors that are looked at in the order in which they came.

    @ivar ticks: seconds that pass whenever somebody looks at the clock; so work that
        takes turns by the clock takes them.
    """

    ticks = 0.0

    def __init__(self, now: float | None = None) -> None:
        super().__init__()
        # The files' times are the system's, and some of what is tested compares the two.
        self.rightNow = time.time() if now is None else now
        self.readers: dict[Any, None] = {}
        self.writers: dict[Any, None] = {}

    def seconds(self) -> float:
        self.rightNow += self.ticks
        return super().seconds()

    def addReader(self, descriptor: Any) -> None:  # noqa: N802
        self.readers[descriptor] = None

    def removeReader(self, descriptor: Any) -> None:  # noqa: N802
        self.readers.pop(descriptor, None)

    def addWriter(self, descriptor: Any) -> None:  # noqa: N802
        self.writers[descriptor] = None

    def removeWriter(self, descriptor: Any) -> None:  # noqa: N802
        self.writers.pop(descriptor, None)

    def turn(self) -> bool:
        """What one turn of a reactor does; whether that was anything."""
        due: list[Any] = [c for c in self.getDelayedCalls() if c.getTime() <= self.rightNow]
        moved = bool(due)
        for call in sorted(due, key=lambda call: call.getTime()):
            if call.active():  # and what it calls for now is of the next turn
                self.calls.remove(call)
                call.called = 1
                call.func(*call.args, **call.kw)
        for descriptor in list(self.readers):
            if descriptor in self.readers and descriptor.readable:
                moved = True
                self._done(descriptor, descriptor.doRead(), reading=True)
        for descriptor in list(self.writers):
            if descriptor in self.writers and descriptor.writable:
                moved = True
                self._done(descriptor, descriptor.doWrite(), reading=False)
        return moved

    def settle(self) -> None:
        """Go on until nothing moves without more input or more time."""
        for _ in range(_TOO_MANY_TURNS):
            if not self.turn():
                return
        raise AssertionError("the reactor does not come to rest")

    def _done(self, descriptor: Any, why: Any, *, reading: bool) -> None:
        """As C{posixbase} takes what a descriptor returns."""
        if why is None:
            return
        self.removeReader(descriptor)
        if reading and isinstance(why, ConnectionDone):
            descriptor.readConnectionLost(Failure(why))
        else:
            self.removeWriter(descriptor)
            descriptor.connectionLost(Failure(why))


class _ServerEnd(FileDescriptor):
    """The server's transport: what Twisted's TCP is, with a L{Client} for a socket."""

    def __init__(self, reactor: MemoryReactor, protocol: Any, client: Client) -> None:
        super().__init__(reactor)  # type: ignore[arg-type]
        self.clock = reactor
        self.protocol = protocol
        self.client = client
        self.connected = 1
        self._aborting = False

    @property
    def readable(self) -> bool:
        client = self.client
        return not self._aborting and bool(client.on_its_way or client.fin or client.was_reset)

    @property
    def writable(self) -> bool:
        nothing = not self.dataBuffer and not self._tempDataLen
        return not self._aborting and (nothing or self.client.takes > 0 or self.client.was_reset)

    @property
    def unsent(self) -> int:
        """Bytes in the transport's buffer."""
        return len(self.dataBuffer) - self.offset + self._tempDataLen

    def doRead(self) -> Exception | None:
        client = self.client
        if client.was_reset:
            return ConnectionLost()
        if not client.on_its_way:
            client.fin = False
            return CONNECTION_DONE
        data = client.on_its_way.popleft()
        if len(data) > self.bufferSize:
            client.on_its_way.appendleft(data[self.bufferSize :])
            data = data[: self.bufferSize]
        self.protocol.dataReceived(data)
        return None

    def writeSomeData(self, data: bytes) -> int | BaseException:  # noqa: N802
        if self.client.was_reset:
            return ConnectionLost()
        data = bytes(data[: self.client.takes])
        self.client.received += data
        return len(data)

    def _closeWriteConnection(self) -> None:  # noqa: N802
        self.client.end_seen = True
        self.protocol.writeConnectionLost()

    def readConnectionLost(self, reason: Failure) -> None:
        self.protocol.readConnectionLost()

    def abortConnection(self) -> None:
        if not self.disconnected and not self._aborting:
            self._aborting = True
            self.stopReading()
            self.stopWriting()
            self.clock.callLater(0, self.connectionLost, Failure(ConnectionAborted()))

    def connectionLost(self, reason: Failure) -> None:
        if not self.disconnected:
            super().connectionLost(reason)
            self.client.closed = self.client.end_seen = True
            self.client.aborted = reason.check(ConnectionAborted) is not None
            self.protocol.connectionLost(reason)

    def getPeer(self) -> IPv4Address | IPv6Address:
        return self.client.address

    def getHost(self) -> IPv4Address | IPv6Address:
        return IPv4Address("TCP", "198.51.100.1", 9000)


class Client:
    """
    The far end of one connection.

    @ivar received: all that the server sent.
    @ivar takes: how many bytes are read off the connection at a time; 0 for none.
    @ivar end_seen: whether the server has closed its half.
    @ivar closed: whether the server's connection is over.
    """

    def __init__(
        self, server: Server, address: IPv4Address | IPv6Address, factory: Any = None
    ) -> None:
        self.server = server
        self.address = address
        self.received = bytearray()
        self.takes = 1 << 30
        self.on_its_way: deque[bytes] = deque()
        self.fin = self.was_reset = False
        self.end_seen = self.closed = self.aborted = False
        self._looked_at = 0
        self.protocol: Any = (factory or server.factory).buildProtocol(address)
        self.transport = _ServerEnd(server.reactor, self.protocol, self)
        self.protocol.makeConnection(self.transport)
        if not self.transport.disconnected:  # by being turned away
            self.transport.startReading()

    def send(self, *data: bytes) -> None:
        """Put bytes on their way, each argument as a read of its own."""
        self.on_its_way.extend(piece for piece in data if piece)

    def half_close(self) -> None:
        """Send no more."""
        self.fin = True

    def reset(self) -> None:
        """Vanish, and let the server's kernel know."""
        self.was_reset = True
        self.on_its_way.clear()
        self.transport.startReading()
        self.server.settle()

    def die(self) -> None:
        """Vanish silently: nothing comes any more, nothing is taken, no end is seen."""
        self.takes = 0
        self.on_its_way.clear()

    def says(self, *data: bytes) -> bytes:
        """Send, and return what the server answers at once."""
        self.send(*data)
        self.server.settle()
        return self.new()

    def asks(self, line: bytes) -> list[str]:
        """Send one command and return the lines of its answer."""
        return self.says(line + b"\n").decode().splitlines()

    def new(self) -> bytes:
        """What has come since this was called last."""
        data = bytes(self.received[self._looked_at :])
        self._looked_at = len(self.received)
        return data


class Server:
    """
    The daemon of one root.

    @ivar reactor: its clock, too.
    """

    def __init__(
        self,
        root: Path,
        *,
        overwrite: bool = True,
        keep: float = 7 * DAY,
        durable: bool = False,
        credentials: Credentials | None = None,
        access: Access | None = None,
        limits: Limits = DEFAULTS,
        reactor: MemoryReactor | None = None,
    ) -> None:
        self.root = root
        self.credentials = credentials
        self.reactor = MemoryReactor() if reactor is None else reactor
        self._options: dict[str, Any] = {
            "overwrite": overwrite,
            "keep": keep,
            "durable": durable,
            "access": access,
            "limits": limits,
        }
        self._ports = iter(range(40_000, 65_536))
        self._buried: list[tuple[Shelves, FilesrvFactory]] = []
        self._open()

    def _open(self) -> None:
        self.shelves = open_shelves(str(self.root), self.reactor, **self._options)
        liveness = Liveness(self.reactor, 30.0, 300.0)
        self.factory = FilesrvFactory(self.reactor, self.shelves, liveness, self.credentials)

    def connect(self, host: str = "192.0.2.1", factory: Any = None) -> Client:
        """
        A new connection; its greeting was read.

        @param factory: makes its protocol instead of the daemon's own.
        """
        kind = IPv6Address if ":" in host else IPv4Address
        client = Client(self, kind("TCP", host, next(self._ports)), factory)
        self.settle()
        client.new()
        return client

    def settle(self) -> None:
        """Let everything happen that can."""
        self.reactor.settle()

    def pass_time(self, seconds: float) -> None:
        """
        Let time pass, and what then happens happen: second by second, for a clock that
        jumps is that of a machine that slept.  Days pass in one go.
        """
        while seconds > 0:
            step = min(seconds, 1.0) if seconds <= _BY_SECONDS else seconds
            self.reactor.advance(step)
            self.settle()
            seconds -= step

    def put(self, name: str, content: bytes) -> None:
        """Publish a file behind the server's back."""
        place = self.root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    def files(self) -> dict[str, bytes]:
        """What is published: names and contents."""
        return {
            place.relative_to(self.root).as_posix(): place.read_bytes()
            for place in sorted(self.root.rglob("*"))
            if place.is_file() and ".filesrv" not in place.parts
        }

    def held(self) -> list[bytes]:
        """What is kept of unfinished uploads, whoever's they are."""
        partials = (self.root / ".filesrv" / "partial").iterdir()
        return sorted(p.read_bytes() for p in partials if p.suffix != ".blocks")

    def wipe(self) -> None:
        """Forget everything: as if the root were a new one."""
        for row in self.shelves.registry.all():
            self.shelves.uploads.discard(row)
        for place in self.root.iterdir():
            if place.is_dir() and not place.is_symlink():
                if place.name != ".filesrv":
                    shutil.rmtree(place)
            else:
                place.unlink()
        assert self.held() == []

    def restart(self) -> None:
        """Stop as the service does, and start again on the same root."""
        for protocol in list(self.factory.connections):
            protocol.abort()
        self.settle()
        self.shelves.close()
        self._open()

    def kill(self) -> None:
        """
        End as by C{kill -9}: nothing more is written or said, and the descriptors and
        the lock are gone; then start again on the same root.

        The registry's file is left as it is, its write-ahead log not yet copied back.
        """
        # The old objects must not be collected yet, for that would unwind their
        # coroutines.  Their descriptors stay theirs, but lead nowhere.
        self._buried.append((self.shelves, self.factory))
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor, place in open_descriptors(self.root).items():
            if "registry.sqlite" not in place:
                os.dup2(nowhere, descriptor)
        os.close(nowhere)
        self.reactor = MemoryReactor(self.reactor.seconds())
        self._open()

    def close(self) -> None:
        """End, and leave nothing open."""
        for shelves, factory in [(self.shelves, self.factory), *self._buried]:
            for protocol in list(factory.connections):
                protocol.transport.connectionLost(Failure(ConnectionLost()))
            shelves.close()
        self._buried.clear()


def open_descriptors(under: Path | None = None) -> dict[int, str]:
    """This process's open files, perhaps only those under a directory."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            place = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:  # the one that listed them
            continue
        if under is None or place.startswith(str(under)):
            found[int(name)] = place
    return found
