"""Pipes at either end."""

from __future__ import annotations

import fcntl
import os
import random
from pathlib import Path

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from filesrv.client.pipes import Stream, spool
from tests.support.memory import MemoryReactor

DATA = random.Random(3).randbytes(3_000_000)


class Hands:
    """A reactor in which a test decides when a descriptor is ready."""

    def __init__(self) -> None:
        self.reactor = MemoryReactor()

    def read(self) -> None:
        for reader in list(self.reactor.readers):
            reader.doRead()

    def write(self) -> None:
        for writer in list(self.reactor.writers):
            writer.doWrite()


def non_blocking_pipe() -> tuple[int, int]:
    return os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)


def test_all_that_comes_in_is_kept_in_one_file(tmp_path: Path) -> None:
    hands = Hands()
    reader, writer = non_blocking_pipe()
    done = Deferred.fromCoroutine(spool(hands.reactor, reader, tmp_path, "a/b c"))
    for at in range(0, len(DATA), 50_000):
        os.write(writer, DATA[at : at + 50_000])
        hands.read()
    hands.read()  # nothing there, no harm
    assert [path.name[0] for path in tmp_path.iterdir()] == ["."]
    os.close(writer)
    hands.read()
    os.close(reader)

    kept: list[Path] = []
    done.addCallback(kept.append)
    assert kept[0].read_bytes() == DATA
    assert kept[0].name.endswith("-b c")
    assert kept[0].stat().st_mode & 0o077 == 0
    assert hands.reactor.readers == {}


def test_an_interrupted_pipe_leaves_nothing(tmp_path: Path) -> None:
    hands = Hands()
    reader, writer = non_blocking_pipe()
    done = Deferred.fromCoroutine(spool(hands.reactor, reader, tmp_path, "f"))
    os.write(writer, b"half")
    hands.read()

    done.cancel()

    done.addErrback(lambda failure: failure.trap(CancelledError))
    assert list(tmp_path.iterdir()) == []
    assert hands.reactor.readers == {}
    os.close(reader)
    os.close(writer)


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hands = Hands()
    reader, writer = non_blocking_pipe()
    done = Deferred.fromCoroutine(spool(hands.reactor, reader, tmp_path, "f"))
    os.write(writer, b"data")

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        hands.read()

    errors: list[Failure] = []
    done.addErrback(errors.append)
    assert errors[0].check(OSError)
    assert list(tmp_path.iterdir()) == []
    os.close(reader)
    os.close(writer)


def test_halves_of_runs_that_were_killed_are_swept_away(tmp_path: Path) -> None:
    (tmp_path / ".incoming-dead").write_bytes(b"half")
    (tmp_path / ".incoming-alive").write_bytes(b"half")
    hands = Hands()
    reader, writer = non_blocking_pipe()
    os.close(writer)
    with (tmp_path / ".incoming-alive").open("rb") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        Deferred.fromCoroutine(spool(hands.reactor, reader, tmp_path, "f"))
        hands.read()

    names = {path.name for path in tmp_path.iterdir()}
    assert ".incoming-alive" in names
    assert ".incoming-dead" not in names
    os.close(reader)


class TestStream:
    def test_all_of_it_comes_out_in_order_at_the_readers_pace(self) -> None:
        hands = Hands()
        reader, writer = non_blocking_pipe()
        held: list[bool] = []
        stream = Stream(hands.reactor, writer, held.append)
        for at in range(0, len(DATA), 100_000):
            stream.write(DATA[at : at + 100_000])
        flushed = stream.flushed()
        came = bytearray()

        while not flushed.called:
            hands.write()
            came += os.read(reader, 60_000)

        assert came + _rest(reader) == DATA
        assert held == [True, False]
        assert stream.size == len(DATA)
        assert hands.reactor.writers == {}
        stream.close()
        stream.close()
        os.close(reader)
        os.close(writer)

    def test_a_reader_that_has_gone_is_told_at_the_next_write_and_to_who_waits(self) -> None:
        hands = Hands()
        reader, writer = non_blocking_pipe()
        held: list[bool] = []
        stream = Stream(hands.reactor, writer, held.append)
        stream.write(DATA)
        flushed = stream.flushed()
        os.close(reader)

        hands.write()

        errors: list[Failure] = []
        flushed.addErrback(errors.append)
        assert errors[0].check(BrokenPipeError)
        with pytest.raises(BrokenPipeError):
            stream.write(b"more")
        assert held == [True, False]
        stream.close()
        os.close(writer)

    def test_a_reader_that_the_reactor_says_has_gone_has(self) -> None:
        hands = Hands()
        reader, writer = non_blocking_pipe()
        stream = Stream(hands.reactor, writer, lambda held: None)
        stream.write(b"x")

        stream.connectionLost(Failure(ConnectionLost()))

        with pytest.raises(BrokenPipeError):
            stream.write(b"more")
        stream.close()
        os.close(reader)
        os.close(writer)

    def test_the_descriptor_that_others_share_stays_as_it_was(self) -> None:
        hands = Hands()
        reader, writer = os.pipe()
        stream = Stream(hands.reactor, writer, lambda held: None)
        stream.write(DATA)
        for _ in range(10):  # more than the pipe holds: would block
            hands.write()

        assert os.get_blocking(writer)
        stream.close()
        os.close(reader)
        os.close(writer)

    def test_a_file_is_written_on_where_it_stands(self, tmp_path: Path) -> None:
        hands = Hands()
        with (tmp_path / "f").open("wb") as file:
            file.write(b"before ")
            file.flush()
            stream = Stream(hands.reactor, file.fileno(), lambda held: None)
            stream.write(b"after")
            hands.write()
            stream.close()

        assert (tmp_path / "f").read_bytes() == b"before after"


def _rest(reader: int) -> bytes:
    rest = bytearray()
    while True:
        try:
            data = os.read(reader, 1_000_000)
        except BlockingIOError:
            return bytes(rest)
        if not data:
            return bytes(rest)
        rest += data
