"""
Conversations of several clients with one server, that read, pause, part and vanish as they
like, while time passes and the daemon is restarted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from filesrv.server.phases import Phase
from fuzz.reference import Heard, follow
from fuzz.scene import Scene, watched
from fuzz.script import CLIENTS, Step, read_script
from tests.support.memory import DAY, Client

__all__ = ["Conversations"]

#: After so many conversations the server is another one, so that nothing piles up.
_SERVES = 500

#: What comes before a megabyte, or many bytes, without an LF.
_MANY = {"a megabyte": b"m" * 1_100_000, "many bytes": b"k" * 5000}

_TIMES = {"a second": 1.0, "minutes": 400.0, "days": 8 * DAY}

#: Seconds that those who still wait for an answer are given, and how often: every wrong
#: password costs some, and bytes come as fast as they may.
_WAIT = 11.0
_LONGEST = 500

#: Phases in which a peer can only wait.
_AT_WORK = frozenset({Phase.BUSY, Phase.SENDING})

_HOSTS = ("192.0.2.1", "192.0.2.2", "2001:db8::3")


@dataclass
class _Speaker:
    """One connection, and what is known of it."""

    client: Client
    sent: bytearray = field(default_factory=bytearray)
    unread: bytearray = field(default_factory=bytearray)
    hears: bool = True
    half_closed: bool = False

    def say(self, data: bytes) -> None:
        if not self.half_closed:
            self.sent += data
            self.unread += data

    @property
    def waits(self) -> bool:
        """Whether the server has still something to say to it."""
        session = getattr(self.client.protocol, "session", None)
        if not self.hears or session is None or self.client.closed:
            return False
        # What is on its way was not read yet: the limits on bandwidth hold it back.
        return session.phase in _AT_WORK or bool(self.client.on_its_way)

    def flush(self) -> None:
        if self.unread:
            self.client.send(bytes(self.unread))
            self.unread.clear()


class _Clients:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._server = scene.server
        self._current = 0
        self._speakers: dict[int, _Speaker] = {}
        self.all: list[_Speaker] = []

    def perform(self, step: Step) -> None:
        speaker = self._speakers.get(self._current) or self._connect()
        if step.what == "send":
            speaker.say(step.data)
        elif step.what in _MANY:
            speaker.say(_MANY[step.what])
        elif step.what in _TIMES:
            self._settle()
            self._server.pass_time(_TIMES[step.what])
        elif step.what.startswith("client "):
            self._settle()
            self._current = int(step.what[-1]) - 1
        else:
            speaker.flush()
            _WAYS[step.what](self, speaker)

    def _connect(self) -> _Speaker:
        speaker = _Speaker(self._server.connect(_HOSTS[self._current]))
        self._speakers[self._current] = speaker
        self.all.append(speaker)
        return speaker

    def _settle(self) -> None:
        for speaker in self._speakers.values():
            speaker.flush()
        self._server.settle()
        for speaker in self._speakers.values():
            self._scene.check_bounds(speaker.client)

    def _connect_anew(self, speaker: _Speaker) -> None:
        speaker.client.die()
        speaker.hears = False
        self._connect()

    def _half_close(self, speaker: _Speaker) -> None:
        speaker.client.half_close()
        speaker.half_closed = True
        self._settle()

    def _vanish(self, speaker: _Speaker) -> None:
        speaker.client.reset()
        speaker.hears = False
        self._connect()

    def _die(self, speaker: _Speaker) -> None:
        speaker.client.die()
        speaker.hears = False

    def _slow(self, speaker: _Speaker) -> None:
        if speaker.hears:
            speaker.client.takes = 0

    def _fast(self, speaker: _Speaker) -> None:
        if speaker.hears:
            speaker.client.takes = 1 << 30
            self._settle()

    def _restart(self, speaker: _Speaker) -> None:
        self._settle()
        for each in self.all:
            each.hears = False
        self._server.restart()
        self._speakers.clear()

    def finish(self) -> None:
        """Let everybody who still listens hear the end."""
        for speaker in self._speakers.values():
            self._fast(speaker)
        self._settle()
        for _ in range(_LONGEST):
            self._server.pass_time(_WAIT)
            if not any(speaker.waits for speaker in self._speakers.values()):
                break


_WAYS: dict[str, Callable[[_Clients, _Speaker], None]] = {
    "read": lambda conversations, speaker: None,
    "connect anew": _Clients._connect_anew,
    "half-close": _Clients._half_close,
    "reset": _Clients._vanish,
    "die": _Clients._die,
    "read slowly": _Clients._slow,
    "read on": _Clients._fast,
    "restart": _Clients._restart,
}


class Conversations:
    """One server after the other, on which scripts are tried."""

    def __init__(self, set_up: Callable[[], Scene] = Scene) -> None:
        """
        @param set_up: makes a server.
        """
        self._set_up = set_up
        self._scene: Scene | None = None
        self._served = 0

    def close(self) -> None:
        """Leave nothing."""
        scene, self._scene = self._scene, None
        if scene is not None:
            scene.close()

    def check(self, data: bytes) -> None:
        """
        Hold the conversations of a script.

        @raise AssertionError: a promise was broken.
        """
        if self._scene is None or self._served >= _SERVES:
            self.close()
            self._scene, self._served = self._set_up(), 0
        self._served += 1
        scene, self._scene = self._scene, None
        _check(scene, data)
        self._scene = scene  # One that has broken a promise says nothing about the next.


def _check(scene: Scene, data: bytes) -> None:
    with watched():
        scene.prepare()
        clients = _Clients(scene)
        for step in read_script(data):
            clients.perform(step)
        clients.finish()
        scene.check_outside()
        everything = b"".join(bytes(speaker.sent) for speaker in clients.all)
        for speaker in clients.all:
            client = speaker.client
            scene.check_words(everything, bytes(client.received))
            listened = speaker.hears and not client.aborted
            follow(
                Heard(
                    bytes(speaker.sent),
                    bytes(client.received),
                    listened,
                    speaker.half_closed,
                    client.end_seen,
                )
            )
        scene.check_let_go()


assert len(_HOSTS) == CLIENTS
