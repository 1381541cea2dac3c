"""
Every call of the system that a command makes fails in turn: what is said, what is kept,
and that the daemon goes on.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogPublisher
from zope.interface import implementer

from filesrv.transfer.digest import BLOCK_SIZE, BlockDigests
from filesrv.wire.errors import BY_CODE
from tests.faults.failing import SHORT, Calls
from tests.support.memory import Client, Server, open_descriptors

OLD = b"the old content " * 100
NEW = bytes(range(256)) * 1500
LARGE = bytes(range(256)) * (BLOCK_SIZE // 256 + 1000)

TIME = b" modified=2026-01-01T00:00:00Z"

#: Of what the disk has; a file system that is only mounted anew as read-only too.
ERRNOS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EMFILE, errno.EROFS, SHORT)

#: What a failure of the server's may be called.
FAULTS = {"NO_SPACE", "INTERNAL", "DENIED"}

Script = Callable[[Client], bytes]


def put(content: bytes, options: bytes = b"", name: bytes = b"new") -> Script:
    def script(client: Client) -> bytes:
        said = client.says(b"UPLOAD %b %d%b\n" % (name, len(content), options))
        if not said.startswith(b"OK offset="):
            return said
        return said + client.says(content[int(said[10:].split()[0]) :])

    return script


def commit(client: Client) -> bytes:
    digests = BlockDigests()
    digests.update(NEW)
    said = put(NEW, b" commit=ask")(client)
    return said + client.says(b"COMMIT new blake3-4m=%b\n" % digests.hexdigest().encode())


def ask(line: bytes) -> Script:
    return lambda client: client.says(line + b"\n")


def broken(server: Server) -> None:
    client = server.connect()
    client.says(b"UPLOAD new %d\n" % len(LARGE), LARGE[: BLOCK_SIZE + 100])
    client.reset()


def nothing(server: Server) -> None:
    pass


@dataclass(frozen=True)
class Deed:
    """
    @ivar script: what a client does.
    @ivar changes: what is published when it was done, beside C{old}.
    @ivar prepare: what happened before.
    """

    script: Script
    changes: dict[str, bytes | None]
    prepare: Callable[[Server], None] = nothing


DEEDS = {
    "upload": Deed(put(NEW), {"new": NEW}),
    "upload into a directory": Deed(put(NEW, name=b"a/b/c"), {"a/b/c": NEW}),
    "small upload": Deed(put(OLD), {"new": OLD}),
    "large upload": Deed(put(LARGE), {"new": LARGE}),
    "exclusive upload": Deed(put(NEW, b" if-absent=yes" + TIME), {"new": NEW}),
    "overwriting": Deed(put(NEW, name=b"old"), {"old": NEW}),
    "going on": Deed(put(LARGE), {"new": LARGE}, broken),
    "starting over": Deed(put(NEW), {"new": NEW}, broken),
    "commit": Deed(commit, {"new": NEW}),
    "rename": Deed(ask(b"RENAME old a/b"), {"old": None, "a/b": OLD}),
    "delete": Deed(ask(b"DELETE old"), {"old": None}),
    "discard": Deed(ask(b"DISCARD new"), {}, broken),
    "sums of an unfinished upload": Deed(ask(b"SUMS new"), {}, broken),
    "list": Deed(ask(b"LIST"), {}),
    "stat": Deed(ask(b"STAT old"), {}),
    "pending": Deed(ask(b"PENDING"), {}, broken),
    "hash": Deed(ask(b"HASH old"), {}),
    "sums": Deed(ask(b"SUMS old"), {}),
}


@implementer(ILogObserver)
class Observer:
    """What is logged."""

    def __init__(self) -> None:
        self.events: list[LogEvent] = []

    def __call__(self, event: LogEvent) -> None:
        self.events.append(event)


@pytest.fixture
def log() -> Iterator[Observer]:
    observer = Observer()
    globalLogPublisher.addObserver(observer)
    yield observer
    globalLogPublisher.removeObserver(observer)


@pytest.fixture
def errnos(request: pytest.FixtureRequest) -> Callable[[int], tuple[int, ...]]:
    """Which failures a call shall have: by turns two, or all of them."""
    if request.config.getoption("--moments", default=None):
        return lambda at: ERRNOS
    return lambda at: (ERRNOS[at % len(ERRNOS)], ERRNOS[(at + 3) % len(ERRNOS)])


@pytest.mark.parametrize("name", DEEDS)
def test_whatever_call_fails_is_answered_plainly_and_does_no_harm(
    tmp_path: Path,
    name: str,
    log: Observer,
    monkeypatch: pytest.MonkeyPatch,
    errnos: Callable[[int], tuple[int, ...]],
) -> None:
    server = Server(tmp_path / "root", durable=True)
    calls = Calls(monkeypatch, server)
    quiet = sorted(open_descriptors(tmp_path).values())
    for at in count(1):
        for number in errnos(at):
            failed = fails_and_does_no_harm(server, DEEDS[name], calls, (at, number), log)
            assert sorted(open_descriptors(tmp_path).values()) == quiet, (at, number)
            if not failed:
                assert at > 1, "nothing was called"
                server.close()
                return


def fails_and_does_no_harm(
    server: Server, deed: Deed, calls: Calls, failure: tuple[int, int], log: Observer
) -> bool:
    """Let one call fail; whether there was such a call."""
    server.shelves.tidy()  # What could not be removed goes when a daemon starts.
    server.wipe()
    server.put("old", OLD)
    deed.prepare(server)
    before = {"old": OLD}
    changed = {**before, **deed.changes}
    after = {name: content for name, content in changed.items() if content is not None}
    client = server.connect()
    log.events.clear()
    calls.fail(*failure)
    said = deed.script(client)
    failed = calls.failed
    calls.fail(0, 0)
    client.reset()
    context = f"{failed} {errno.errorcode.get(failure[1], 'short')} {said!r}"
    plain(said, log, failure[1] != SHORT and failed is not None, context)
    assert server.files() in (before, after), context
    client = server.connect()
    assert client.asks(b"ECHO alive") == ["alive"], context
    again = deed.script(client)
    client.reset()
    assert server.files() == after, (context, again)
    faults = [formatEvent(e) for e in log.events if e["log_level"] is LogLevel.critical]
    assert not faults, (context, faults)
    return failed is not None


def plain(said: bytes, log: Observer, failed: bool, context: str) -> None:
    """Hold replies against the contract."""
    assert b"Traceback" not in said, context
    assert b"/a/path" not in said, context
    assert b"Errno" not in said, context
    refusals = [line.split()[1].decode() for line in said.splitlines() if line.startswith(b"ERR ")]
    assert set(refusals) <= BY_CODE.keys(), context
    assert failed or not refusals, context
    if refusals:
        assert refusals[0] in FAULTS, context
        lines = [formatEvent(e) for e in log.events if e["log_level"] is not LogLevel.info]
        assert any(re.search("Errno|database|disk", line or "") for line in lines), (context, lines)
