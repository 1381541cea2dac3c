"""
The daemon's end of C{filesrv-admin}: a Unix socket in the state directory, for nobody but
the daemon's own user and root.

Each request is a line of JSON, C{{"ask": "status"}}; so is its answer, C{{"answer": ...}} or
C{{"error": "words"}}.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from filesrv.server.shelves import CannotOpen
from filesrv.transfer.sockets import peer_user, socket_of
from filesrv.watch.answers import Desk, NotUnderstood, answer
from filesrv.wire.names import ADMIN_SOCKET

__all__ = ["Control", "Conversation"]

#: Bytes of a request: a few words, and names of at most 1024 bytes, escaped.
_LONGEST = 16384

#: Bytes that the path of a socket may have on every system (sun_path of unix(7)).
_LONGEST_PATH = 100


class Conversation(LineReceiver):
    """One administrator, and question after question."""

    delimiter = b"\n"
    MAX_LENGTH = _LONGEST
    transport: Any
    _log = Logger()

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def connectionMade(self) -> None:
        if peer_user(socket_of(self.transport)) not in (0, os.geteuid()):
            self._say({"error": "only the daemon's own user and root may ask"})
            self.transport.loseConnection()

    def lineReceived(self, line: bytes) -> None:
        if self.transport.disconnecting:
            return
        self.pauseProducing()  # One after the other.
        asking = Deferred.fromCoroutine(self._answer(line))
        asking.addErrback(self._failed)
        asking.addCallback(lambda _: self.resumeProducing())

    async def _answer(self, line: bytes) -> None:
        try:
            asked = json.loads(line)
        except ValueError:
            asked = None
        try:
            found = await answer(self._desk, asked if isinstance(asked, dict) else {})
        except NotUnderstood as error:
            self._say({"error": str(error)})
        else:
            self._say({"answer": found})

    def _failed(self, failure: Failure) -> None:
        self._log.failure("while answering an administrator", failure)
        self._say({"error": "a fault of the daemon; its log has the details"})

    def _say(self, value: object) -> None:
        self.transport.write(json.dumps(value).encode() + b"\n")


class _Factory(ServerFactory):
    noisy = False

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def buildProtocol(self, addr: IAddress | None) -> Conversation:
        return Conversation(self._desk)


class Control:
    """The socket, while the daemon runs."""

    def __init__(self, reactor: Any, state: str, desk: Desk) -> None:
        """
        @param state: the state directory, locked by this process.
        """
        self._reactor = reactor
        self._state = state
        self._desk = desk
        self._directory = -1
        self._port: IListeningPort | None = None

    def start(self) -> None:
        """
        @raise CannotOpen: the socket cannot be made.
        """
        try:
            self._directory = os.open(self._state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            with suppress(FileNotFoundError):  # Whose it was is gone, for we have the lock.
                os.unlink(ADMIN_SOCKET, dir_fd=self._directory)
            self._port = self._reactor.listenUNIX(self._path(), _Factory(self._desk), mode=0o600)
        except (OSError, CannotListenError) as error:
            raise CannotOpen(f"cannot listen on {self._state}/{ADMIN_SOCKET}: {error}") from error

    async def stop(self) -> None:
        """Answer no more."""
        port, self._port = self._port, None
        stopping = None if port is None else port.stopListening()
        if stopping is not None:
            await stopping
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1

    def _path(self) -> str:
        """A way to the socket that is short, however long that to the directory is."""
        path = os.path.join(self._state, ADMIN_SOCKET)
        if len(os.fsencode(path)) <= _LONGEST_PATH:
            return path
        return f"/proc/self/fd/{self._directory}/{ADMIN_SOCKET}"
