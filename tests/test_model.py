"""
A model of the server in plain dicts, and random clients who hold the real one against it.

Each client's bytes carry its name, the upload they are of and their place in it, so that
one byte in a wrong file, or at a wrong place, is seen.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from tests.support.memory import Client, Server
from tests.support.scripted import chunks, normal

HOSTS = ("192.0.2.1", "2001:db8::2")
NAMES = ("f", "d/f", "d/e/g")

#: Small ones have no row while they run; the others do.
SIZES = (0, 1, 40, 1000, 300_000)

#: What part of the bytes that are left is sent at a time.
PARTS = st.sampled_from([0.0, 0.3, 0.7, 1.0])


def content_of(host: str, number: int, size: int) -> bytes:
    """Bytes that say whose they are, of which upload, and where in it."""
    line = f"{host} #{number} @%09d\n"
    step = len(line % 0)
    return b"".join((line % at).encode() for at in range(0, size, step))[:size]


@dataclass
class Unfinished:
    """What the server should hold of an upload."""

    size: int
    data: bytes


@dataclass
class Going:
    """An upload that is going on: the connection, what it shall be, and how far it is."""

    host: str
    name: str
    content: bytes
    sent: int
    client: Client


class ModelledServer(RuleBasedStateMachine):
    """Uploads that break and go on, downloads, deletions, renames, restarts and kills."""

    going = Bundle("going")

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="filesrv-model-"))
        self.server = Server(self.place / "root")
        self.files: dict[str, bytes] = {}
        self.unfinished: dict[tuple[str, str], Unfinished] = {}
        self.active: dict[tuple[str, str], Going] = {}
        self.uploads = 0

    def teardown(self) -> None:
        self.server.close()
        shutil.rmtree(self.place)

    @initialize()
    def begin(self) -> None:
        """An empty root."""
        assert self.server.files() == {}

    # What a name may be in the way of.

    def _blocked(self, name: str) -> bool:
        parts = name.split("/")
        return any("/".join(parts[:n]) in self.files for n in range(1, len(parts)))

    def _is_directory(self, name: str) -> bool:
        return (self.server.root / name).is_dir()

    # Uploads.

    @rule(
        target=going,
        host=st.sampled_from(HOSTS),
        name=st.sampled_from(NAMES),
        size=st.sampled_from(SIZES),
        how=st.sampled_from(["anywhere"] * 4 + ["from 0", "exactly", "too far"]),
        again=st.sampled_from([True, True, False]),
        part=PARTS,
    )
    def upload(self, host: str, name: str, size: int, how: str, again: bool, part: float) -> Any:
        """Begin an upload, or go on with what is held, whoever was at it before."""
        key = (host, name)
        held = self.unfinished.get(key)
        if again and held is not None:
            size = held.size
        stored = len(held.data) if held is not None and held.size == size else 0
        client = self.server.connect(host)
        offset = {"anywhere": stored, "from 0": 0, "exactly": stored, "too far": stored + 1}[how]
        line = f"UPLOAD {name} {size}" + ("" if how == "anywhere" else f" {offset}")
        first, *more = client.asks(line.encode())
        if self._blocked(name) or self._is_directory(name):
            assert first.startswith("ERR EXISTS "), first
            client.reset()
            return multiple()
        old = self.active.pop(key, None)
        if old is not None:
            told = old.client.new()
            assert told.endswith(b"newer connection\r\n") or old.client.takes == 0
            if old.sent == 0:
                self.unfinished.pop(key, None)
        if how == "too far":
            assert normal(first) == f"ERR BAD_OFFSET stored={stored}"
            client.reset()
            return multiple()
        assert re.fullmatch(rf"OK offset={offset} length={size - offset}( last=\S+)?", first), first
        self.uploads += 1
        kept = b"" if held is None or offset == 0 else held.data[:offset]
        content = kept + content_of(host, self.uploads, size)[offset:]
        self.unfinished[key] = Unfinished(size, kept)
        going = Going(host, name, content, offset, client)
        if offset == size:
            assert more[0].startswith(f"OK stored={name} size={size} received=0 ")
            self._publish(going)
            client.reset()
            return multiple()
        self.active[key] = going
        self.send_some(going, part, 7)
        return going

    def _publish(self, going: Going) -> None:
        del self.unfinished[going.host, going.name]
        self.files[going.name] = going.content

    def _end(self, going: Going) -> bool:
        """Whether this was still the one that works on its upload; it is not from now on."""
        if self.active.get((going.host, going.name)) is not going:
            return False
        del self.active[going.host, going.name]
        return True

    def _forget_if_empty(self, going: Going) -> None:
        if going.sent == 0 and not self.unfinished[going.host, going.name].data:
            del self.unfinished[going.host, going.name]

    @rule(going=going, part=PARTS, size=st.integers(1, 9))
    def send_some(self, going: Going, part: float, size: int) -> None:
        """Some more bytes, but not all; of one who was taken over they change nothing."""
        data = going.content[going.sent : -1]
        data = data[: int(len(data) * part)]
        going.client.send(*chunks(data, size if len(data) < 2000 else size * 10_000))
        self.server.settle()
        if self.active.get((going.host, going.name)) is going:
            going.sent += len(data)
            self.unfinished[going.host, going.name].data += data

    @rule(going=consumes(going), size=st.integers(1, 9), tail=st.booleans())
    def send_the_rest(self, going: Going, size: int, tail: bool) -> None:
        """All that is left, perhaps with a command right behind it."""
        going.client.new()
        data = going.content[going.sent :] + (b"ECHO tail\n" if tail else b"")
        going.client.send(*chunks(data, size if len(data) < 2000 else size * 10_000))
        self.server.settle()
        answer = going.client.new().decode()
        if not self._end(going):
            assert "OK" not in answer
        elif self._blocked(going.name) or self._is_directory(going.name):
            assert answer.startswith("ERR EXISTS ")
            self.unfinished[going.host, going.name].data = going.content
        else:
            assert answer.startswith(f"OK stored={going.name} size={len(going.content)} ")
            assert answer.endswith("tail\n") is tail
            self._publish(going)
        going.client.reset()

    @rule(going=consumes(going), end=st.sampled_from(["reset", "half-close", "die"]))
    def break_off(self, going: Going, end: str) -> None:
        """End a connection in the middle, or let it die without a word."""
        if end == "die":
            going.client.die()
            return  # and the server still believes in it
        if end == "reset":
            going.client.reset()
        else:
            going.client.half_close()
            self.server.settle()
        if self._end(going):
            self._forget_if_empty(going)

    @precondition(lambda self: self.unfinished)
    @rule(host=st.sampled_from(HOSTS), name=st.sampled_from(NAMES))
    def discard(self, host: str, name: str) -> None:
        """Forget an unfinished upload, going on or not."""
        client = self.server.connect(host)
        [answer] = client.asks(f"DISCARD {name}".encode())
        going = self.active.pop((host, name), None)
        held = self.unfinished.pop((host, name), None)
        if held is None or (going is not None and not held.data):
            assert answer.startswith("ERR NOT_FOUND "), answer
        else:
            assert answer == "OK"
        client.reset()

    # Published files.

    @precondition(lambda self: self.files)
    @rule(host=st.sampled_from(HOSTS), name=st.sampled_from(NAMES), takes=st.integers(1, 5))
    def download(self, host: str, name: str, takes: int) -> None:
        """All of a file, read in pieces."""
        client = self.server.connect(host)
        client.takes = takes * 20_011
        answer = client.says(f"DOWNLOAD {name}\n".encode())
        if name not in self.files:
            assert answer.startswith(b"ERR NOT_FOUND ")
        else:
            first, rest = answer.split(b"\n", 1)
            content = self.files[name]
            assert f" length={len(content)} size={len(content)} ".encode() in first
            assert rest[: len(content)] == content
            assert rest[len(content) :].startswith(b"OK sent=%d " % len(content))
        client.reset()

    @precondition(lambda self: self.files)
    @rule(host=st.sampled_from(HOSTS), name=st.sampled_from(NAMES), takes=st.integers(1, 9000))
    def download_in_two(self, host: str, name: str, takes: int) -> None:
        """A download that breaks, and what the server remembers of it."""
        content = self.files.get(name)
        if content is None:
            return
        client = self.server.connect(host)
        client.takes = takes
        client.send(f"DOWNLOAD {name}\n".encode())
        for _ in range(4):
            self.server.reactor.turn()
        client.reset()
        client = self.server.connect(host)
        first, rest = client.says(f"DOWNLOAD {name} resume\n".encode()).split(b"\n", 1)
        found = re.search(rb"OK offset=(\d+) length=(\d+) ", first)
        assert found is not None, first
        offset, length = int(found[1]), int(found[2])
        assert offset + length == len(content)
        assert rest.startswith(content[offset:] + b"OK sent=")
        client.reset()

    @precondition(lambda self: self.files)
    @rule(name=st.sampled_from((*NAMES, "d", "d/e")))
    def delete(self, name: str) -> None:
        """Delete a file, or a directory that is empty."""
        is_directory = self._is_directory(name)
        empty = is_directory and not any((self.server.root / name).iterdir())
        client = self.server.connect()
        [answer] = client.asks(f"DELETE {name}".encode())
        if name in self.files or empty:
            assert answer == "OK"
            self.files.pop(name, None)
        else:
            assert answer.split()[1] == ("EXISTS" if is_directory else "NOT_FOUND")
        client.reset()

    @precondition(lambda self: self.files)
    @rule(old=st.sampled_from(NAMES), new=st.sampled_from(NAMES))
    def rename(self, old: str, new: str) -> None:
        """Give a file another name."""
        client = self.server.connect()
        [answer] = client.asks(f"RENAME {old} {new}".encode())
        if old not in self.files:
            assert answer.split()[1] in ("NOT_FOUND", "EXISTS")
        elif self._blocked(new):
            assert answer.startswith("ERR EXISTS ")
        else:
            assert answer == "OK"
            self.files[new] = self.files.pop(old)
        client.reset()

    # The server.

    @precondition(lambda self: self.unfinished or self.files)
    @rule(kill=st.booleans())
    def restart(self, kill: bool) -> None:
        """Stop and start, or be killed and start; connections are gone either way."""
        for key, going in list(self.active.items()):
            held = self.unfinished[key]
            # What is not worth a row is lost when it is killed; what broke before was
            # written down then.
            if not held.data or (kill and held.size <= 256 * 1024 and not self._has_row(key)):
                del self.unfinished[key]
            going.client.die()
        self.active.clear()
        if kill:
            self.server.kill()
        else:
            self.server.restart()

    def _has_row(self, key: tuple[str, str]) -> bool:
        rows = self.server.shelves.registry.all()
        return any((row.client, row.name) == key for row in rows)

    @precondition(lambda self: self.unfinished)
    @rule(seconds=st.sampled_from([0.5, 3.0]))
    def pass_time(self, seconds: float) -> None:
        """A little."""
        self.server.pass_time(seconds)

    # What has to hold after each step.

    @invariant()
    def the_disk_is_as_it_should_be(self) -> None:
        """Every published byte, and every byte that is held."""
        assert self.server.files() == self.files
        assert self.server.held() == sorted(held.data for held in self.unfinished.values())

    @invariant()
    def every_client_is_told_what_it_has(self) -> None:
        """Its own, and nobody else's."""
        for host in HOSTS:
            client = self.server.connect(host)
            told = {
                line.split()[4]: (int(line.split()[1]), int(line.split()[2]))
                for line in client.asks(b"PENDING")[1:]
                if line.startswith("upload ")
            }
            assert told == {
                name: (len(held.data), held.size)
                for (owner, name), held in self.unfinished.items()
                if owner == host
            }
            client.reset()


TestModelledServer = ModelledServer.TestCase
TestModelledServer.settings = settings(
    max_examples=70, stateful_step_count=50, derandomize=True, deadline=None
)
