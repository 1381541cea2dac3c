"""
Uploads whose payload looks like commands: what is stored has to be that payload to the
byte, and what stands behind it has to be the next command.

The first bytes say how; the rest is the payload.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from fuzz.scene import Scene, watched
from tests.support.memory import Client

__all__ = ["check", "close"]

_BEHIND = b"ECHO behind\n"

_scenes: list[Scene] = []
_names = itertools.count()


def close() -> None:
    """Leave nothing."""
    while _scenes:
        _scenes.pop().close()


def check(data: bytes) -> None:
    """
    @raise AssertionError: a byte is elsewhere than it should be.
    """
    if len(data) < 8:
        return
    if not _scenes:
        _scenes.append(Scene())
    scene = _scenes[0]
    if next(_names) % 200 == 0:
        scene.prepare()
    try:
        with watched():
            _upload(scene, data[:8], data[8:])
            scene.check_outside()
    except BaseException:
        _scenes.clear()
        raise


def _upload(scene: Scene, how: bytes, payload: bytes) -> None:
    """
    C{how}: the size of a read, where a first try breaks off, how the first ends, how the
    line says the offset, how the line ends, the options, what is refused, and its chunks.
    """
    server = scene.server
    size, kept = len(payload), 0
    name = f"n{next(_names) % 8}"
    if how[2] % 4:
        kept = size * how[1] // 256
        client = server.connect()
        client.send(b"UPLOAD %s %d 0\n" % (name.encode(), size), *_reads(how[0], payload[:kept]))
        server.settle()
        kept *= kept < size or not size
        (client.reset, client.half_close, client.die)[how[2] % 3]()
        server.settle()
    client = server.connect()
    eol = b"\r\n" if how[4] % 2 else b"\n"
    if how[6] % 3 == 0:
        _refused(client, eol, how[0], payload)
        server.settle()
    offset = (b"", b" 0", b" %d" % kept)[how[3] % 3]
    start = 0 if how[3] % 3 == 1 else kept
    options = b" commit=ask" if how[5] % 3 == 0 else b""
    line = b"UPLOAD %s %d%s%s" % (name.encode(), size, offset, options) + eol
    before = server.files()
    client.new()
    client.send(*_reads(how[7], line + payload[start:] + _BEHIND))
    server.settle()
    answers = client.new().split(b"\n")
    assert answers[0].startswith(b"OK offset=%d length=%d" % (start, size - start)), answers
    assert answers[1].startswith(b"OK "), answers
    assert b" received=%d" % (size - start) in answers[1], answers
    assert answers[2:] == [b"behind", b""], answers
    if options:
        assert server.files() == before
        assert payload in server.held()
        client.asks(b"DISCARD " + name.encode())
    else:
        assert server.files() == {**before, name: payload}
    client.reset()
    server.settle()


def _refused(client: Client, eol: bytes, size: int, payload: bytes) -> None:
    """A payload that nobody wants is none the more a command."""
    client.send(*_reads(size, b"UPLOAD ../n %d 0" % len(payload) + eol + payload + _BEHIND))
    client.server.settle()
    answers = client.new().replace(b"\r", b"").split(b"\n")
    assert answers[0].startswith(b"ERR BAD_NAME"), answers
    assert answers[1:] == [b"behind", b""], answers


def _reads(size: int, data: bytes) -> Iterator[bytes]:
    step = size % 40 + 1 if size < 200 and len(data) < 2000 else len(data) or 1
    return (data[start : start + step] for start in range(0, len(data), step))
