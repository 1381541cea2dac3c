"""
Whole conversations of several clients with one server, that read, pause, part and vanish
as they like, while time passes and the daemon is restarted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from fuzz.reference import Heard, follow
from fuzz.scene import Scene, watched
from fuzz.script import CLIENTS, Step, read_script
from tests.support.memory import DAY, Client

__all__ = ["check", "forget"]

#: After so many conversations the server is another one, so that nothing piles up.
_SERVES = 500

#: What comes before a megabyte, or many bytes, without an LF.
_MANY = {"a megabyte": b"m" * 1_100_000, "many bytes": b"k" * 5000}

_TIMES = {"a second": 1.0, "minutes": 400.0, "days": 8 * DAY}

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

    def flush(self) -> None:
        if self.unread:
            self.client.send(bytes(self.unread))
            self.unread.clear()


class _Conversations:
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
        self._server.pass_time(11.0)


_WAYS: dict[str, Callable[[_Conversations, _Speaker], None]] = {
    "read": lambda conversations, speaker: None,
    "connect anew": _Conversations._connect_anew,
    "half-close": _Conversations._half_close,
    "reset": _Conversations._vanish,
    "die": _Conversations._die,
    "read slowly": _Conversations._slow,
    "read on": _Conversations._fast,
    "restart": _Conversations._restart,
}


_scene: Scene | None = None
_served = 0


def _next_scene() -> Scene:
    global _scene, _served  # noqa: PLW0603
    if _scene is not None and _served >= _SERVES:
        _scene.close()
        _scene = None
    if _scene is None:
        _scene, _served = Scene(), 0
    _served += 1
    return _scene


def forget() -> None:
    """Close the server that is kept from one conversation to the next."""
    global _scene  # noqa: PLW0603
    if _scene is not None:
        _scene.close()
        _scene = None


def check(data: bytes) -> None:
    """
    Hold the conversations of a script.

    @raise AssertionError: a promise was broken.
    """
    try:
        _check(_next_scene(), data)
    except BaseException:
        forget_after_failure()
        raise


def forget_after_failure() -> None:
    """A server that has broken a promise says nothing about the next script."""
    global _scene  # noqa: PLW0603
    _scene = None


def _check(scene: Scene, data: bytes) -> None:
    with watched():
        scene.prepare()
        conversations = _Conversations(scene)
        for step in read_script(data):
            conversations.perform(step)
        conversations.finish()
        scene.check_outside()
        everything = b"".join(bytes(speaker.sent) for speaker in conversations.all)
        for speaker in conversations.all:
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
