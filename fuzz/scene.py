"""
A server in memory between things that it must neither touch nor tell, and what has to hold
of it after every conversation.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogPublisher

from filesrv.access.access import Access
from filesrv.server.limits import DEFAULTS, Limits
from tests.support.memory import Client, MemoryReactor, Server, open_descriptors

__all__ = ["HOME", "SECRET", "Scene", "faults_of", "snapshot", "watched"]

#: Stands in every file outside the root.
SECRET = b"kept from strangers"

#: What no reply may hold unless the client said it first: places, programs and versions.
_TELLING = re.compile(
    rb"(?i)traceback|twisted|sqlite|openssl|cpython|python|errno|\.py\b|site-packages|/tmp/|/dev/shm"
)

#: Bytes of replies that wait for one client to read them, and of commands that wait to be
#: done: what was read at once, and a buffer of Twisted's.
_MOST_WAITING = 512 * 1024
_MOST_HELD = 2 * 1024 * 1024

#: Where it all is: in memory, unless somebody wants it elsewhere.
HOME = "/dev/shm" if os.access("/dev/shm", os.W_OK) and "TMPDIR" not in os.environ else None


class Scene:
    """
    @ivar server: the one that is tried.
    @ivar outside: a directory beside its root, which links in the root lead to.
    """

    def __init__(
        self,
        access: Access | None = None,
        reactor: MemoryReactor | None = None,
        limits: Limits = DEFAULTS,
    ) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="filesrv-fuzz-", dir=HOME)
        self.place = Path(self._home.name)
        self.outside = self.place / "outside"
        self.server = Server(self.place / "root", access=access, reactor=reactor, limits=limits)
        self._guarded = access is not None
        (self.outside / "d").mkdir(parents=True)
        for name in ("x", "d/y"):
            (self.outside / name).write_bytes(SECRET)
        self._before = snapshot(self.outside)

    def close(self) -> None:
        """Leave nothing."""
        self.server.close()
        self._home.cleanup()

    def prepare(self) -> None:
        """The same root each time, with links that lead out, and what is no file."""
        server = self.server
        for protocol in list(server.factory.connections):
            protocol.transport.abortConnection()
        server.settle()
        server.wipe()
        root = server.root
        server.put("x", b"0123456789")
        server.put("d/y", b"")
        server.put("d/e/z", b"DELETE x\n" * 9)
        os.symlink("../outside", root / "out")
        os.symlink("../../outside/x", root / "d" / "out")
        os.symlink(".filesrv", root / "state")
        os.mkfifo(root / "pipe")
        if self._guarded:
            server.put("private/x", SECRET)
            self._private = snapshot(root / "private")

    def check_bounds(self, client: Client) -> None:
        """
        @raise AssertionError: what a client makes the server keep has no bounds.
        """
        protocol = client.protocol
        waiting = 0 if client.transport.disconnected else client.transport.unsent
        assert waiting <= _MOST_WAITING, f"{waiting} bytes of replies wait"
        held = len(getattr(protocol, "_buffer", b""))
        assert held <= _MOST_HELD, f"{held} bytes of commands wait"

    def check_outside(self) -> None:
        """
        @raise AssertionError: something outside the root is not what it was.
        """
        assert snapshot(self.outside) == self._before, "something outside has changed"
        if self._guarded:
            private = snapshot(self.server.root / "private")
            assert private == self._private, "something private has changed"
        assert sorted(os.listdir(self.place)) == ["outside", "root"], "something is beside the root"

    def check_words(self, sent: bytes, got: bytes) -> None:
        """
        @raise AssertionError: a reply tells what is nobody's business.
        """
        assert SECRET not in got, "what is outside was read"
        assert b"ERR INTERNAL" not in got or b"INTERNAL" in sent, "a fault of the server"
        assert os.fsencode(self.place) not in got, "a path of the server was told"
        for found in _TELLING.findall(got):
            assert found.lower() in sent.lower(), f"a reply tells of {found!r}"

    def check_let_go(self) -> None:
        """
        @raise AssertionError: a connection that is gone has left something open.
        """
        for protocol in list(self.server.factory.connections):
            protocol.transport.abortConnection()
        self.server.settle()
        assert not self.server.factory.connections
        assert not self.server.shelves.uploads.active
        assert not self.server.shelves.downloads.active
        places = open_descriptors(self.server.root).values()
        files = [
            place for place in places if not place.startswith(str(self.server.root / ".filesrv"))
        ]
        assert files == [str(self.server.root)], f"left open: {files}"


def snapshot(place: Path) -> list[tuple[str, int, int, bytes]]:
    found = []
    for each in sorted(place.rglob("*")):
        status = each.lstat()
        content = each.read_bytes() if each.is_file() else b""
        found.append((str(each), status.st_mtime_ns, status.st_mode, content))
    return found


@contextmanager
def watched() -> Iterator[None]:
    """
    @raise AssertionError: what was done inside has put a fault into the log.
    """
    events: list[LogEvent] = []
    observer = cast(ILogObserver, events.append)
    globalLogPublisher.addObserver(observer)
    try:
        yield
    finally:
        globalLogPublisher.removeObserver(observer)
    assert not faults_of(events), "\n".join(faults_of(events))


def faults_of(events: list[LogEvent]) -> list[str]:
    """Which events are of faults, as text."""
    found = []
    for event in events:
        failure = event.get("log_failure")
        if failure is not None:
            found.append(f"{formatEvent(event)}\n{failure.getTraceback()}")
        elif event.get("log_level", LogLevel.info) >= LogLevel.error:
            found.append(formatEvent(event))
    return found
