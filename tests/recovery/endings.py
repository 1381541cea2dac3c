"""
What the server says, to who comes back, of how the last connection ended.
"""

from __future__ import annotations

import re
import socket
import struct
from dataclasses import dataclass, field
from pathlib import Path

from tests.recovery.scenarios import LEEWAY, Settings
from tests.recovery.site import PORT, Site, file_of
from tests.support.network import SERVER, wait_until

__all__ = ["Told", "tell_endings"]

_MIB = 1024 * 1024
_SIZE = 8 * _MIB

#: More than an upload may have without a row in the registry.
_PART = 512 * 1024


@dataclass
class Told:
    """
    By ending and direction, what C{last=} was.

    @ivar pending: in PENDING.
    @ivar going_on: in the reply to what goes on.
    """

    pending: dict[tuple[str, str], str | None] = field(default_factory=dict)
    going_on: dict[tuple[str, str], str | None] = field(default_factory=dict)


class _Talk:
    """One connection of a client that is known by a token."""

    def __init__(self, site: Site, token: str) -> None:
        network = site.network
        self.socket = network.connect(network.client, (SERVER, PORT), SO_RCVBUF=65536)
        self._stream = self.socket.makefile("rb", buffering=0)
        self.line()
        assert self.ask(f"HELLO {token}").startswith("OK client=")

    def line(self) -> str:
        return self._stream.readline().decode().rstrip("\r\n")

    def ask(self, line: str) -> str:
        self.socket.sendall(line.encode() + b"\n")
        return self.line()

    def take(self, count: int) -> None:
        """Read bytes of a payload."""
        while count > 0:
            count -= len(self.socket.recv(min(count, 65536)))

    def reset(self) -> None:
        """End it so that the server gets a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self._stream.close()
        self.socket.close()


class _Endings:
    """Transfers that break, and who comes back for them."""

    def __init__(self, site: Site, told: Told, longest: float) -> None:
        self._site = site
        self._told = told
        self._longest = longest
        file_of(site.daemon.root / "big", _SIZE)

    def upload(self, ending: str) -> _Talk:
        """One that has begun; its name and its client are called after its ending."""
        talk = _Talk(self._site, _token(ending, "upload"))
        assert talk.ask(f"UPLOAD {ending} {_SIZE}").startswith("OK offset=0 ")
        talk.socket.sendall(bytes(_PART))
        probe = _Talk(self._site, _token(ending, "upload"))
        wait_until(
            lambda: f"stored={_PART}" in probe.ask(f"STAT {ending}"), self._longest, "a part of it"
        )
        probe.close()
        return talk

    def download(self, ending: str) -> _Talk:
        """One that has begun, and whose bytes nobody reads any more."""
        talk = _Talk(self._site, _token(ending, "download"))
        assert talk.ask("DOWNLOAD big").startswith(f"OK offset=0 length={_SIZE} ")
        talk.take(_PART)
        return talk

    def both(self, ending: str) -> list[_Talk]:
        """One each way."""
        return [self.upload(ending), self.download(ending)]

    def end_at_once(self) -> None:
        """What needs no waiting."""
        begun = self._site.daemon.mark()
        self.upload("closed").close()
        self.wait_for("closed", begun)
        self.come_back("closed", "upload")
        for talk in self.both("reset"):
            talk.reset()
        self.wait_for("reset", begun, count=2)
        self.come_back("reset", "upload", "download")
        held = self.both("taken-over")
        for direction in ("upload", "download"):
            newcomer = _Talk(self._site, _token("taken-over", direction))
            self.go_on(newcomer, "taken-over", direction)
            newcomer.reset()
        self.wait_for("taken-over", begun, count=2)
        for talk in held:
            talk.close()

    def wait_for(self, ending: str, since: int, count: int = 1) -> None:
        """Wait until transfers have ended so, in the log."""
        lines = self._site.log

        def ended() -> bool:
            return sum(line.endswith(f", {ending}") for line in lines[since:]) >= count

        wait_until(ended, self._longest, f"{ending} in the log")

    def come_back(self, ending: str, *directions: str) -> None:
        """See what is told of transfers that broke; C{ending} is how they should have."""
        for direction in directions:
            talk = _Talk(self._site, _token(ending, direction))
            count = int(talk.ask("PENDING").removeprefix("OK lines="))
            assert count == 1
            self._told.pending[(ending, direction)] = _last(talk.line())
            self.go_on(talk, ending, direction)
            talk.reset()

    def go_on(self, talk: _Talk, ending: str, direction: str) -> None:
        """Ask for the transfer again, on another connection."""
        if direction == "upload":
            reply = talk.ask(f"UPLOAD {ending} {_SIZE}")
            assert reply.startswith(f"OK offset={_PART} "), reply
        else:
            reply = talk.ask("DOWNLOAD big resume")
            assert re.match(r"OK offset=[1-9]", reply), reply
        self._told.going_on[(ending, direction)] = _last(reply)


def _token(ending: str, direction: str) -> str:
    return f"{ending}-{direction}".ljust(16, "_")


def _last(text: str) -> str | None:
    match = re.search(r" last=(\S+)", text)
    return match and match[1]


def tell_endings(settings: Settings, place: Path) -> Told:
    """Bring every ending about, in both directions where it can be."""
    told = Told()
    times = {"dead_after": settings.dead_after, "stall_timeout": settings.stall_timeout}
    with Site(place, **times) as site:
        endings = _Endings(site, told, max(times.values()) + 4 * LEEWAY)
        # Those that take longest begin first.
        begun = site.daemon.mark()
        held = endings.both("stalled")
        endings.end_at_once()
        endings.wait_for("stalled", begun, count=2)
        endings.come_back("stalled", "upload", "download")
        held += [endings.upload("dead-keepalive"), endings.download("dead-unacknowledged")]
        begun = site.daemon.mark()
        site.network.black_hole()
        endings.wait_for("dead-keepalive", begun)
        endings.wait_for("dead-unacknowledged", begun)
        site.network.heal()
        endings.come_back("dead-keepalive", "upload")
        endings.come_back("dead-unacknowledged", "download")
        held += endings.both("server-stopped")
        site.daemon.restart()
        endings.come_back("server-stopped", "upload", "download")
        for talk in held:
            talk.close()
    return told
