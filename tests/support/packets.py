"""
The packets of a TCP connection as tcpdump writes them: captured from loopback, or pasted
into the documentation; and what matters of them.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterable
from threading import Condition, Thread
from types import TracebackType
from typing import IO, NamedTuple

from tests.support.daemon import PATIENCE

__all__ = ["Capture", "Packet", "milestones", "read_packets"]

_PACKET = re.compile(
    r"IP6? (?P<source>\S+)\.(?P<from>\d+) > (?P<target>\S+)\.(?P<to>\d+): "
    r"Flags \[(?P<flags>[A-Z.]+)\], (?:seq (?P<seq>\d+)(?::(?P<end>\d+))?, )?"
    r"(?:ack (?P<ack>\d+), )?.*length (?P<length>\d+)"
)

#: Only root sees packets.
_AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]


class Packet(NamedTuple):
    """
    @ivar up: whether it goes to the server.
    @ivar client: the client's port, which tells connections apart.
    @ivar end: the number behind its last byte; its FIN is not counted.
    @ivar ack: up to which number it acknowledges, or -1.
    """

    up: bool
    client: int
    flags: str
    end: int
    ack: int
    length: int


def read_packets(lines: Iterable[str], server: int) -> list[Packet]:
    """
    What of the lines are packets.

    @param server: the server's port.
    """
    found = []
    for line in lines:
        match = _PACKET.search(line)
        if match is None:
            continue
        source, target = int(match["from"]), int(match["to"])
        up = target == server
        found.append(
            Packet(
                up,
                source if up else target,
                match["flags"],
                int(match["end"] or match["seq"] or 0),
                int(match["ack"] or -1),
                int(match["length"]),
            )
        )
    return found


def milestones(packets: Iterable[Packet]) -> list[str]:
    """
    How one connection begins and ends, as arrows.

    That is each SYN, FIN and RST, and what acknowledges a SYN or a FIN.  A packet that
    acknowledges one and is a FIN itself counts as both: whether they come together is a
    matter of milliseconds.
    """
    found: list[str] = []
    unacknowledged: dict[bool, int] = {}
    over = False
    for packet in packets:
        way, back = ("->", "<-") if packet.up else ("<-", "->")
        if over:
            break
        if "R" in packet.flags:
            found.append(f"{way} RST")
            over = True
        elif "S" in packet.flags:
            found.append(f"{way} SYN, ACK" if "." in packet.flags else f"{way} SYN")
        elif found and found[-1] == f"{back} SYN, ACK":
            found.append(f"{way} ACK")
        else:
            fin = unacknowledged.get(not packet.up)
            if fin is not None and packet.ack > fin:
                del unacknowledged[not packet.up]
                found.append(f"{way} ACK")
            if "F" in packet.flags and f"{way} FIN" not in found:
                unacknowledged[packet.up] = packet.end
                found.append(f"{way} FIN")
    return found


class Capture:
    """tcpdump on loopback, within the block."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.lines: list[str] = []
        self._changed = Condition()
        self._tcpdump: subprocess.Popen[str] | None = None
        self._reader: Thread | None = None

    def __enter__(self) -> Capture:
        options = ["-i", "lo", "-n", "-t", "-l", "--immediate-mode", "-s", "96", "-B", "16384"]
        self._tcpdump = subprocess.Popen(
            [*_AS_ROOT, "tcpdump", *options, f"tcp port {self.port}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._tcpdump.stdout is not None
        assert self._tcpdump.stderr is not None
        said = ""
        for line in self._tcpdump.stderr:
            said += line
            if line.startswith("listening on"):
                break
        else:
            raise AssertionError(f"tcpdump does not run: {said}")
        self._reader = Thread(target=self._read, args=(self._tcpdump.stdout,), daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._tcpdump is not None
        assert self._reader is not None
        # By the same way, for nobody else may signal a process of root.
        subprocess.run([*_AS_ROOT, "kill", str(self._tcpdump.pid)], check=True)
        self._tcpdump.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self._tcpdump.stderr is not None
        self._tcpdump.stderr.close()

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                with self._changed:
                    self.lines.append(line.rstrip("\n"))
                    self._changed.notify_all()

    @property
    def packets(self) -> list[Packet]:
        """Those so far."""
        return read_packets(list(self.lines), self.port)

    def wait_for(self, seen: Callable[[list[Packet]], bool]) -> list[Packet]:
        """
        Wait until C{seen} is true of the packets so far, and return them.

        @raise AssertionError: it does not become true.
        """
        with self._changed:
            happened = self._changed.wait_for(lambda: seen(self.packets), PATIENCE)
        assert happened, "not among the packets:\n" + "\n".join(self.lines[:40])
        return self.packets
