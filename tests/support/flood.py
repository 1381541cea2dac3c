"""
Very many connections at once, and whether those that were taken are served::

    python -m tests.support.flood 20000 --max-connections 10000

They come from many addresses of the loopback network, and from as many processes as it
takes for their open files.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import selectors
import socket
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.daemon import PATIENCE, Daemon

__all__ = ["Flood"]

#: Addresses that the connections come from.
ADDRESSES = 100

#: Seconds in which nobody is told anything, after which nobody will be.
QUIET = 20.0

#: When its queue is full, the kernel answers with SYN cookies, and keeps nothing of those
#: for whom there is still no place when they come back: they wait until they give up.
LOST = "(nothing: there was no place in the kernel's queue)"

#: Connections of one process.
BY_PROCESS = 4000


@dataclass
class Flood:
    """
    Connections that are all begun before any is looked at.

    @ivar said: how often each first line came; C{""} for an end without one.
    @ivar taken: those that were greeted.
    @ivar told: when somebody was told something last.
    """

    port: int
    count: int
    said: Counter[str] = field(default_factory=Counter)
    taken: list[socket.socket] = field(default_factory=list)
    told: float = 0.0

    def connect(self) -> None:
        """Begin all of them, and read what each is told first."""
        with selectors.DefaultSelector() as selector:
            for number in range(self.count):
                each = socket.socket()
                # The port is chosen by connect(), for a pair and not for an address.
                each.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
                each.bind((f"127.0.{1 + number % ADDRESSES}.1", 0))
                each.setblocking(False)
                each.connect_ex(("127.0.0.1", self.port))
                selector.register(each, selectors.EVENT_READ, bytearray())
            while selector.get_map() and (ready := selector.select(QUIET)):
                for key, _ in ready:
                    self._read(selector, key)
                self.told = time.monotonic()
            for key in list(selector.get_map().values()):
                self.said[LOST] += 1
                key.fileobj.close()  # type: ignore[union-attr]

    def _read(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        client: Any = key.fileobj
        try:
            data = client.recv(4096)
        except OSError:
            data = b""
        key.data.extend(data)
        if data and not key.data.endswith(b"\n"):
            return
        selector.unregister(client)
        greeted = key.data.startswith(b"OK ")
        self.said["OK" if greeted else key.data.decode().rstrip()] += 1
        if greeted:
            self.taken.append(client)
        else:
            client.close()

    def serve(self, name: str) -> list[float]:
        """Download a small file over each that was taken; seconds that each has waited."""
        waited = []
        for client in self.taken:
            began = time.monotonic()
            client.settimeout(PATIENCE)
            client.sendall(f"DOWNLOAD {name}\n".encode())
            answer = b""
            while b"OK sent=" not in answer or not answer.endswith(b"\n"):
                data = client.recv(4096)
                assert data, answer
                answer += data
            waited.append(time.monotonic() - began)
        return waited

    def close(self) -> None:
        """Let go of those that were taken."""
        for client in self.taken:
            client.close()
        self.taken.clear()


def _one_process(port: int, count: int, barrier: Any, results: Any) -> None:
    flood = Flood(port, count)
    barrier.wait()
    began = time.monotonic()
    flood.connect()
    barrier.wait()
    results.put((flood.said, flood.told - began, flood.serve("small")))
    barrier.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("connections", type=int)
    parser.add_argument("--max-connections", type=int, default=10_000)
    arguments = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    most = [f"--max-connections={arguments.max_connections}", "--max-connections-per-address=none"]
    with (
        tempfile.TemporaryDirectory() as place,
        Daemon(Path(place) / "root", *most, "--idle-timeout=none") as daemon,
    ):
        (daemon.root / "small").write_bytes(b"hello")
        _report(daemon, arguments.connections)


def _report(daemon: Daemon, connections: int) -> None:
    context = multiprocessing.get_context("fork")
    processes = -(-connections // BY_PROCESS)
    barrier, results = context.Barrier(processes + 1, timeout=4 * PATIENCE), context.Queue()
    for number in range(processes):
        share = min(BY_PROCESS, connections - number * BY_PROCESS)
        given = (daemon.port, share, barrier, results)
        context.Process(target=_one_process, args=given, daemon=True).start()
    barrier.wait()
    barrier.wait()
    found = [results.get(timeout=4 * PATIENCE) for _ in range(processes)]
    said: Counter[str] = sum((each[0] for each in found), Counter())
    waited = sorted(wait for each in found for wait in each[2]) or [0.0]
    lines = [f"{connections} connections at once, {os.cpu_count()} processors"]
    lines += [f"{count:7} {words or '(no word)'}" for words, count in said.most_common()]
    lines += [
        f"all were told within {max(each[1] for each in found):.1f} s",
        (
            f"{len(waited)} downloads then: median {1000 * waited[len(waited) // 2]:.2f} ms,"
            f" longest {1000 * waited[-1]:.0f} ms"
        ),
        (
            f"the daemon has {len(os.listdir(f'/proc/{daemon.pid}/fd'))} files open and"
            f" {daemon.status('VmRSS')} in memory; its warnings:"
        ),
    ]
    lines += [f"    {line}" for line in daemon.log_lines if "#warn" in line or "#crit" in line]
    print("\n".join(lines))
    barrier.wait()


if __name__ == "__main__":
    main()
