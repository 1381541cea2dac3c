"""
The client's side of one connection: who may write, and whose turn the next reply is.

Commands may be sent ahead.  Each has a L{Turn}: its share of what the server sends, in
the order in which the commands went out.  This module knows lines, counted runs of
bytes and how a connection ended; what they mean is L{filesrv.client.connection}'s.
"""

from __future__ import annotations

import enum
import ssl
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from filesrv.client.errors import ConnectionEnded, NoTLS
from filesrv.client.exchange import Exchange
from filesrv.client.incoming import Incoming
from filesrv.client.turns import MAX_LINE, TOO_LONG, Turn, WriteRight
from filesrv.transfer.liveness import Liveness, Peer
from filesrv.transfer.receive import FRESH_READ_SIZE
from filesrv.transfer.send import Outflow
from filesrv.transfer.sockets import (
    LINE_READ_SIZE,
    ending_seen,
    is_local,
    is_tls,
    no_delay,
    set_read_size,
)
from filesrv.transfer.tls_failures import CutOff, TLSFailed
from filesrv.wire.endings import Ending
from filesrv.wire.errors import FilesrvError, Idle, ShuttingDown, Stalled, TakenOver
from filesrv.wire.replies import MalformedReply, Reply, parse_reply

__all__ = ["ClientProtocol", "Turn"]

#: What the last words of a server say of the end that follows them.
_LAST_WORDS: dict[type[FilesrvError], Ending] = {
    ShuttingDown: Ending.SERVER_STOPPED,
    TakenOver: Ending.TAKEN_OVER,
    Stalled: Ending.STALLED,
    Idle: Ending.IDLE,
}


class _Hold(enum.Enum):
    """Why nothing is read at the moment."""

    NOBODY_WAITS = enum.auto()
    PACE = enum.auto()
    SINK = enum.auto()


class ClientProtocol(Incoming):
    """
    Glue between a transport and the turns.

    @ivar lost: why nothing can be said any more; L{None} while the connection stands.
    @ivar last_words: the refusal after which the server closes, once it was said.
    """

    MAX_LENGTH = MAX_LINE

    outflow: Outflow
    lost: Exception | None = None
    last_words: FilesrvError | None = None

    _standing = False
    _read_size = 0
    _peer: Peer

    def __init__(self, reactor: Any, liveness: Liveness) -> None:
        """
        @param liveness: watches whether the server is still there.
        """
        super().__init__()
        self._reactor = reactor
        self._liveness = liveness
        self._holds: set[_Hold] = set()
        self._writing = DeferredLock()
        self._ending: Ending | None = None
        self._pacing: IDelayedCall | None = None
        self._gone: list[Deferred[None]] = []
        #: Nobody asks for the greeting, yet it is the first that is answered.
        self.greeting = Turn(self)
        self._turns.append(self.greeting)

    # What the operations of a connection call.

    @asynccontextmanager
    async def turn(self, line: bytes) -> AsyncIterator[Turn]:
        """
        Send a command and read what it is answered.  Others may send theirs meanwhile.

        @raise ConnectionEnded: the connection ended.
        """
        turn = Turn(self)
        await self._say_alone(line + self.delimiter, turn)
        with self.answering(turn):
            yield turn

    async def exchanged_for(self, said: bytes, exchange: Exchange) -> None:
        """
        Say all of an exchange, and wait until it is over.

        @raise ConnectionEnded: the connection ended.
        """
        await self._say_alone(said, exchange)
        await exchange.done

    @asynccontextmanager
    async def exclusive_turn(self, line: bytes) -> AsyncIterator[Turn]:
        """
        Send a command and let nobody else write until L{Turn.let_others_write} is
        called, or the block is left.
        """
        await self._writing.acquire()
        write_right = WriteRight(self._writing)
        try:
            await self._may_say()
            turn = Turn(self)
            self._say(line + self.delimiter, turn)
            turn.let_others_write = write_right.release
            with self.answering(turn):
                yield turn
        finally:
            write_right.release()

    async def _may_say(self) -> None:
        with suppress(ConnectionLost):
            await self.outflow.drained()

    async def _say_alone(self, said: bytes, turn: Turn | Exchange) -> None:
        if self._writing.locked or not self.outflow.ready:
            async with self._writing:
                await self._may_say()
                self._say(said, turn)
        else:  # As for most small files.
            self.outflow.flush()
            self._say(said, turn)

    def _say(self, said: bytes, turn: Turn | Exchange) -> None:
        if self.lost is not None:
            raise self.lost
        self._turns.append(turn)
        self.transport.write(said)
        self._adjust()

    @contextmanager
    def answering(self, turn: Turn) -> Iterator[None]:
        """
        Around reading what a turn is answered: where that ends midway, the connection does,
        too, because what the server says next belongs to nobody.
        """
        try:
            yield
        except FilesrvError:
            self._end_turn(turn, turn.midway)
            raise
        except BaseException:
            self._end_turn(turn, True)
            raise
        self._end_turn(turn, turn.midway)

    def _end_turn(self, turn: Turn, broken: bool) -> None:
        if broken:
            self.abort()
        elif self._turns and self._turns[0] is turn:
            self._turns.popleft()
            self._adjust()

    async def greeted(self) -> Reply:
        """
        The server's greeting.

        @raise MalformedReply: something else answers there.
        @raise FilesrvError: the server takes no connection now.
        @raise ConnectionEnded: it ended first.
        """
        with self.answering(self.greeting):
            try:
                reply = await self.greeting.reply()
                if not reply.words.startswith("filesrv "):
                    raise MalformedReply("what answers there is not a filesrv server")
            except MalformedReply as error:
                self._lose(error)  # Also to who has spoken already.
                raise
        return reply

    @property
    def secure(self) -> bool:
        """Whether nobody on the way can listen."""
        assert self.transport is not None
        return is_tls(self.transport) or is_local(self.transport.getPeer())

    async def start_tls(self, context: ssl.SSLContext, **more: Any) -> None:
        """
        Go on under TLS; nothing has been asked that is not answered yet.

        @param more: what else L{start_tls} takes.
        @raise TLSFailed: it does not come about.
        """
        if self.clearLineBuffer():
            # It came in plain text, from whomever, and would be read as the server's.
            raise TLSFailed("more came in plain text than that TLS begins")
        from filesrv.transfer.tls import start_tls

        layer = start_tls(self._reactor, self, context, **more)
        self.outflow.over(layer)
        self._set_hold(_Hold.NOBODY_WAITS, False)
        await layer.done
        self._adjust()

    def abort(self, ending: Ending = Ending.CLOSED) -> None:
        """End the connection now, without waiting for anybody."""
        if self.lost is None:
            self._ending = self._ending or ending
            self._lose(ConnectionEnded(self._ending))
        if self.transport is not None:
            self.outflow.close()
            self.transport.abortConnection()

    def close(self) -> Deferred[None]:
        """End the connection in order; fires when it has ended."""
        gone: Deferred[None] = Deferred()
        if self._standing:
            self._gone.append(gone)
            self._lose(ConnectionEnded(Ending.CLOSED, "the connection was closed here"))
            self.outflow.close()
            self.transport.loseConnection()
        else:
            gone.callback(None)
        return gone

    # What the turns call.

    def turn_waits(self, turn: Turn) -> None:
        """Somebody awaits what comes next in C{turn}."""
        if self.lost is not None:
            turn.fail(self.lost)
        elif self._turns and self._turns[0] is turn:
            self._adjust()

    def hold(self, held: bool) -> None:
        """Stop reading, or go on: what takes the bytes has no room, or has room again."""
        self._set_hold(_Hold.SINK, held)
        if not held and self.lost is None:
            self._peer.wake()

    def exchange_over(self, exchange: Exchange) -> None:
        """The first exchange is over: what comes next belongs to another turn."""
        self._turns.popleft()
        self._adjust()

    def _adjust(self) -> None:
        """Read what the first turn waits for, and nothing that nobody waits for."""
        head = self._turns[0] if self._turns else None
        if head is not None:  # Over the one before it, nobody may have watched.
            self._peer.wake()
        if isinstance(head, Exchange):
            self._read(FRESH_READ_SIZE if head.brings else LINE_READ_SIZE)
            self._set_hold(_Hold.NOBODY_WAITS, False)
            return
        if head is not None and head.raw_wanted is not None:
            largest = FRESH_READ_SIZE if head.pace is None else head.pace.chunk
            self._read(min(FRESH_READ_SIZE, largest), lines=False)
        else:
            self._read(LINE_READ_SIZE)
        self._set_hold(_Hold.NOBODY_WAITS, head is not None and not head.waits)

    def _read(self, size: int, lines: bool = True) -> None:
        self.line_mode = int(lines)
        if size != self._read_size:
            self._read_size = size
            set_read_size(self.transport, size)

    def _set_hold(self, hold: _Hold, held: bool) -> None:
        if not (held or self._holds):  # Nearly always.
            return
        was_held = bool(self._holds)
        (self._holds.add if held else self._holds.discard)(hold)
        if self.lost is not None or was_held == bool(self._holds):
            return
        if self._holds:
            self.pauseProducing()
        else:
            self.resumeProducing()

    # What Twisted calls.

    def connectionMade(self) -> None:
        self._standing = True
        self.outflow = Outflow(
            self.transport, self._reactor, lambda: None, lambda: None, self._ask_socket
        )
        no_delay(self.transport)
        self._peer = self._liveness.watch(self.transport, self._expected, self.abort)
        self._adjust()

    def lineReceived(self, line: bytes) -> None:
        if self.lost is not None:  # Aborted, and the rest of a read comes in.
            return
        self._heard += 1
        line = line.removesuffix(b"\r")
        head = self._turn()
        if head is None:
            self._unasked(line)
            return
        wanted, head.line_wanted = head.line_wanted, None
        if wanted is not None:
            wanted.callback(line)
        if self.lost is None:
            self._adjust()

    def rawDataReceived(self, data: bytes) -> None:
        head = self._turn()
        wanted = None if head is None else head.raw_wanted
        if head is None or wanted is None:  # Aborted, too.
            return
        self._heard += len(data)
        surplus = wanted.feed(data)
        if wanted.refused is not None:
            head.raw_wanted = None
            wanted.fail(wanted.refused)
            return
        if head.pace is not None:
            self._wait_for_pace(head.pace.take(len(data) - len(surplus)))
        if wanted.remaining:
            return
        head.raw_wanted = head.pace = None
        wanted.finish()
        if self.lost is None:
            self._adjust()
            self.dataReceived(surplus)

    def lineLengthExceeded(self, line: bytes) -> None:
        self._lose(MalformedReply(TOO_LONG))
        self.abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        ending = self._ending
        if ending is None and self.last_words is not None:
            ending = _LAST_WORDS.get(type(self.last_words))
        if ending is None:
            ending = Ending.CLOSED if isinstance(reason.value, ConnectionDone) else Ending.RESET
        self._standing = False
        self._lose(_reason(reason.value, ending))
        self._peer.stop()
        self.outflow.close()
        for gone in self._gone:
            gone.callback(None)

    def _unasked(self, line: bytes) -> None:
        """What a server says by itself is why it is going to close."""
        try:
            self.last_words = parse_reply(line).error
        except MalformedReply as error:
            self._lose(error)
            self.abort()

    def _wait_for_pace(self, seconds: float) -> None:
        if seconds:
            self._set_hold(_Hold.PACE, True)
            self._pacing = self._reactor.callLater(seconds, self._set_hold, _Hold.PACE, False)

    def _lose(self, reason: Exception) -> None:
        if self.lost is not None:
            return
        self.lost = reason
        if self._pacing is not None and self._pacing.active():
            self._pacing.cancel()
        turns, self._turns = list(self._turns), deque()
        for turn in turns:
            turn.fail(reason)

    def _expected(self) -> int | None:
        """A count that changes with all that is expected of the server, while something is."""
        if _Hold.SINK in self._holds or not self._turns or self._turns[0].may_take_long:
            return None
        return self._heard + self.outflow.delivered

    def _ask_socket(self) -> None:
        """Find out how the connection ended while its socket can still be asked."""
        self._ending = self._ending or ending_seen(self.transport)


def _reason(error: BaseException | None, ending: Ending) -> Exception:
    """Why a connection ended, from what Twisted was told and how that looks from here."""
    if isinstance(error, TLSFailed) and not isinstance(error, CutOff):
        return NoTLS(f"the server ends TLS: {error}")
    return ConnectionEnded(ending)
