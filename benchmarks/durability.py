"""
What it costs that uploads are verified and on disk when OK is said.

    python benchmarks/durability.py [--quick] [--rounds N] [--disk DIR] [--memory DIR]

With real daemons on this machine, it measures and prints:

* the throughput of uploads with and without verification and durability, the four taken
  in turns so that what else the machine does meets all of them, on disk and in memory;
* the longest turn of the reactor while a large upload comes in and is committed, replaces
  an old file, or is deleted, from within and as an ECHO on another connection feels it;
* the time from the line of an UPLOAD that goes on at 95 % to its OK, which is when the
  first byte moves: after the connection broke, after the daemon was stopped, and after
  it was killed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.servers.ours import Line
from filesrv.transfer.digest import BLOCK_SIZE, BlockDigests
from tests.support.daemon import Daemon

ROOT = Path(__file__).resolve().parent.parent

MIB = 1024 * 1024
GIB = 1024 * MIB

#: Bytes given to the kernel at a time.
PIECE = MIB

#: Seconds between two round trips of the echo.
ECHO_EVERY = 0.001


class Client(Line):
    """One connection of a client that says who it is."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(daemon.port)
        self.ask("HELLO benchmark-benchmark")

    def send(self, source: memoryview, length: int, digests: BlockDigests | None = None) -> None:
        """C{length} bytes: C{source}, over and over."""
        for start in range(0, length, PIECE):
            place = start % len(source)
            piece = source[place : place + min(PIECE, length - start)]
            if digests is not None:
                digests.update(piece)
            self.socket.sendall(piece)


def upload(daemon: Daemon, source: memoryview, size: int, verified: bool) -> float:
    """Seconds from the line of the upload to the OK that it is stored."""
    client = Client(daemon)
    digests = BlockDigests() if verified else None
    started = time.perf_counter()
    said = client.ask(f"UPLOAD f {size}" + (" commit=ask" if verified else ""))
    assert said.startswith("OK offset=0"), said
    client.send(source, size, digests)
    said = client.answer()
    if digests is not None:
        assert said.startswith("OK size="), said
        said = client.ask(f"COMMIT f blake3-4m={digests.hexdigest()}")
    seconds = time.perf_counter() - started
    assert said.startswith("OK stored=f"), said
    client.close()
    return seconds


def delete(daemon: Daemon) -> None:
    client = Client(daemon)
    assert client.ask("DELETE f") == "OK"
    for _ in range(500):  # Freeing it goes on for that long, between other events.
        client.ask("ECHO a")
    client.close()


@contextmanager
def room(under: Path) -> Iterator[Path]:
    """A new directory, and nothing left of it."""
    place = Path(tempfile.mkdtemp(prefix="filesrv-benchmark-", dir=under))
    try:
        yield place
    finally:
        shutil.rmtree(place)


def throughput(name: str, under: Path, size: int, rounds: int) -> None:
    """Print a table of the four ways, on one file system."""
    ways = list(product((False, True), ("none", "commit")))
    seconds: dict[tuple[bool, str], list[float]] = {way: [] for way in ways}
    # Random, so that no disk can think it away; less than what is sent, to be made soon.
    source = memoryview(os.urandom(min(size, 64 * MIB)))
    with room(under) as place:
        daemons = {d: Daemon(place / d, "--durability", d) for d in ("none", "commit")}
        for daemon in daemons.values():
            daemon.start()
        upload(daemons["none"], source, size, False)  # The first one finds everything cold.
        delete(daemons["none"])
        for turn in range(rounds):
            for verified, durability in ways if turn % 2 else reversed(ways):
                taken = upload(daemons[durability], source, size, verified)
                seconds[verified, durability].append(taken)
                delete(daemons[durability])
        for daemon in daemons.values():
            daemon.stop()
    print(f"\nUploads of {size // MIB} MiB on {name}, {rounds} rounds in turns")
    print("verified  durability   MiB/s (median, least to most)   ratio (median of rounds)")
    base = seconds[False, "none"]
    for verified, durability in ways:
        times = seconds[verified, durability]
        rates = sorted(size / MIB / value for value in times)
        ratio = statistics.median(b / t for b, t in zip(base, times, strict=True))
        print(
            f"{'yes' if verified else 'no':8}  {durability:10} {statistics.median(rates):8.0f}"
            f"   ({rates[0]:.0f} to {rates[-1]:.0f}){'':10}{ratio:10.2f}"
        )


def echo(port: int, pipe: Connection) -> None:
    """In a process of its own: round trips until something is said; then what they took."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = connection.makefile("rb")
        reader.readline()
        pipe.send(None)
        took = []
        while not pipe.poll(ECHO_EVERY):
            started = time.perf_counter()
            connection.sendall(b"ECHO a\n")
            reader.readline()
            took.append(time.perf_counter() - started)
        pipe.send(took)


def turns(under: Path, size: int, durability: str, rounds: int) -> None:
    """Print the longest turns of the reactor while large files come and go."""
    source = memoryview(os.urandom(min(size, 64 * MIB)))
    deeds: dict[str, Callable[[Daemon], object]] = {
        "new": lambda daemon: upload(daemon, source, size, True),
        "replaced": lambda daemon: upload(daemon, source, size, True),
        "deleted": delete,
    }
    within: dict[str, list[float]] = {deed: [] for deed in deeds}
    without: dict[str, list[float]] = {deed: [] for deed in deeds}
    with room(under) as place:
        for _ in range(rounds):
            for deed, work in deeds.items():
                longest, trips = watched(place, durability, work)
                within[deed].append(longest)
                without[deed] += trips
    for deed in deeds:
        trips = sorted(without[deed])
        print(
            f"{durability:10} {deed:10}"
            f" {max(within[deed]) * 1000:12.1f} {statistics.median(within[deed]) * 1000:12.1f}"
            f" {trips[-1] * 1000:13.1f} {trips[len(trips) * 99 // 100] * 1000:10.1f}"
            f" {statistics.median(trips) * 1000:10.1f}"
        )


def watched(
    place: Path, durability: str, work: Callable[[Daemon], object]
) -> tuple[float, list[float]]:
    """The longest turn of a daemon while it does something, and the round trips meanwhile."""
    found = place / "turns"
    turns = str(ROOT / "benchmarks" / "turns.py")
    twistd = [sys.executable, turns, str(found), "-n", "--pidfile="]
    with Daemon(place / "root", "--durability", durability, twistd=twistd) as daemon:
        here, there = multiprocessing.Pipe()
        other = multiprocessing.Process(target=echo, args=(daemon.port, there))
        other.start()
        here.recv()
        work(daemon)
        here.send(None)
        trips = here.recv()
        other.join()
    return json.loads(found.read_text())[0], trips


def going_on(under: Path, size: int) -> None:
    """Print how soon an upload goes on at 95 %."""
    with room(under) as place:
        # Sparse: what a source holds makes no difference, and this one is quickly read.
        source = memoryview(bytes(64 * MIB))
        held = size * 95 // 100
        daemon = Daemon(place / "root").start()
        client = Client(daemon)
        client.ask(f"UPLOAD f {size}")
        started = time.perf_counter()
        client.send(source, held)
        client.close()
        daemon.wait_for_log("upload of f: ")
        sent = time.perf_counter() - started
        print(
            f"\nGoing on at 95 % of {size / GIB:g} GiB ({held / MIB / sent:.0f} MiB/s until there)"
        )
        print(f"{'after':32}  seconds to OK    offset")
        ways: dict[str, Callable[[], None]] = {
            "the connection broke": lambda: None,
            "the daemon was stopped": daemon.restart,
            "the daemon was killed, at rest": lambda: killed(daemon),
            "the daemon was killed, writing": lambda: killed_writing(daemon, size, source),
        }
        for name, breaking in ways.items():
            breaking()
            client = Client(daemon)
            started = time.perf_counter()
            said = client.ask(f"UPLOAD f {size}")
            seconds = time.perf_counter() - started
            mark = daemon.mark()
            client.close()
            daemon.wait_for_log("upload of f: ", mark)
            print(f"{name:32}  {seconds:13.4f}    {said.split()[1]}")
        daemon.stop()


def killed(daemon: Daemon) -> None:
    """Kill a daemon that does nothing, and start it again."""
    daemon.kill()
    daemon.start()


def killed_writing(daemon: Daemon, size: int, source: memoryview) -> None:
    """Kill a daemon while it takes bytes."""
    client = Client(daemon)
    said = client.ask(f"UPLOAD f {size}")
    left = size - int(said.partition("offset=")[2].split()[0])
    client.send(source, min(BLOCK_SIZE * 5, left // 2))
    daemon.kill()
    client.close()
    daemon.start()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What durability costs.")
    parser.add_argument("--quick", action="store_true", help="small files, for a look and for CI")
    parser.add_argument("--disk", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--memory", type=Path, default=Path("/dev/shm"))
    parser.add_argument("--rounds", type=int, help="how often each is measured")
    chosen = parser.parse_args()
    rounds = chosen.rounds or (2 if chosen.quick else 7)
    size, large, largest = (
        (MIB * 32, MIB * 128, MIB * 256) if chosen.quick else (GIB, 2 * GIB, 20 * GIB)
    )
    throughput("disk", chosen.disk, size, rounds)
    throughput("tmpfs", chosen.memory, size, rounds)
    print(f"\nTurns of the reactor with files of {large // MIB} MiB, {rounds} rounds, in ms")
    print(
        "durability file        longest turn     median of  longest ECHO  99 % of   median of\n"
        "                      of all rounds  the longests    round trip  the ECHOs  the ECHOs"
    )
    for durability in ("none", "commit"):
        turns(chosen.disk, large, durability, rounds)
    going_on(chosen.disk, largest)


if __name__ == "__main__":
    main()
