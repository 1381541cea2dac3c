"""
The way to a daemon: where its socket may be, and one question after the other.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from typing import Any

from filesrv.wire.names import ADMIN_SOCKET, STATE_DIRECTORY

__all__ = ["Daemon", "NoDaemon", "NotDone", "usual_roots"]

#: Seconds for an answer.  The daemon works on it between other events.
_ANSWER_WITHIN = 30.0

#: Where systemd keeps it, and where a daemon that was told nothing does.
_USUAL = ("/var/lib/filesrv", "filesrv-files")


class NoDaemon(Exception):
    """Nobody can be asked; the words say why."""


class NotDone(Exception):
    """The daemon says no; the words say why."""


def usual_roots() -> list[str]:
    """Where a root is looked for if none is named."""
    state = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return [root for root in (state, *_USUAL) if root]


class Daemon:
    """A daemon that can be asked."""

    def __init__(self, path: str) -> None:
        """
        @param path: of its socket.
        @raise NoDaemon: nobody listens there, or not to us.
        """
        self._socket = _connect(path)
        self._lines = self._socket.makefile("rb")

    @classmethod
    def find(cls, root: str | None, path: str | None) -> Daemon:
        """
        The daemon of a root, or behind a socket; of one of the usual roots if neither is named.

        @raise NoDaemon: there is none.
        """
        if path is not None:
            return cls(path)
        roots = usual_roots() if root is None else [root]
        for place in roots:
            found = os.path.join(place, STATE_DIRECTORY, ADMIN_SOCKET)
            try:
                os.stat(found)
            except PermissionError:
                raise NoDaemon(f"only the daemon's own user and root may ask it: {place}") from None
            except OSError:
                continue
            return cls(found)
        raise NoDaemon(f"no daemon runs on {_either(roots)}")

    def ask(self, what: str, **more: object) -> dict[str, Any]:
        """
        @raise NotDone: the daemon says no.
        @raise NoDaemon: it is gone.
        """
        try:
            self._socket.sendall(json.dumps({"ask": what, **more}).encode() + b"\n")
            line = self._lines.readline()
        except TimeoutError:
            raise NoDaemon("the daemon does not answer") from None
        except OSError:
            line = b""
        if not line:
            raise NoDaemon("the daemon has ended")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise NotDone(str(reply["error"]))
        answer: dict[str, Any] = reply["answer"]
        return answer

    def close(self) -> None:
        """Let go of it."""
        self._lines.close()
        self._socket.close()


def _connect(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_ANSWER_WITHIN)
    try:
        # Through its directory, for the path of a socket may have few bytes (unix(7)).
        directory = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
        try:
            connection.connect(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
        finally:
            os.close(directory)
    except OSError as error:
        connection.close()
        raise NoDaemon(_why(error, path)) from None
    return connection


def _why(error: OSError, path: str) -> str:
    if isinstance(error, PermissionError):
        return f"only the daemon's own user and root may ask it: {path}"
    if isinstance(error, ConnectionRefusedError):
        return f"no daemon runs any more behind {path}"
    if isinstance(error, FileNotFoundError):
        return f"no daemon runs behind {path}"
    return f"{path}: {error.strerror}"


def _either(places: Sequence[str]) -> str:
    *first, last = places
    return f"{', '.join(first)} or {last}" if first else last
