"""
Glue between Twisted and L{filesrv.server.session}: a LineReceiver that goes into raw
mode for payloads, and knows no verb.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol
from twisted.internet.protocol import connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from zope.interface import implementer

from filesrv.server import lines
from filesrv.server.lines import Lines
from filesrv.server.patience import Hearing
from filesrv.server.phases import Phase
from filesrv.server.session import TURN, Session
from filesrv.transfer.certificates import certified_user
from filesrv.transfer.liveness import Peer
from filesrv.transfer.pace import Share
from filesrv.transfer.receive import READ_SIZE
from filesrv.transfer.send import Outflow, Run
from filesrv.transfer.sockets import (
    ending_seen,
    forward_half_close,
    half_closer,
    is_local,
    is_tls,
    no_delay,
    set_read_size,
    tls_version,
)
from filesrv.transfer.tls import start_tls, tls_layer
from filesrv.wire.endings import Ending
from filesrv.wire.errors import FilesrvError
from filesrv.wire.grammar import MAX_LINE

if TYPE_CHECKING:
    from filesrv.server.factory import FilesrvFactory

__all__ = ["FilesrvProtocol"]

#: Seconds that a connection which we closed is kept to take what the peer still sends.
#: Without that, the kernel answers it with a reset, which may destroy our last reply.
LINGER = 2.0


@implementer(IHalfCloseableProtocol)
class FilesrvProtocol(Lines):
    """One connection."""

    factory: FilesrvFactory
    transport: Any  # more than ITransport: half-close, abort, producers
    MAX_LENGTH = MAX_LINE + 1  # and a CR

    session: Session
    _outflow: Outflow
    _peer: Peer
    _hearing: Hearing
    _deadline: IDelayedCall | None = None
    _pacing: IDelayedCall | None = None
    _next_turn: IDelayedCall | None = None
    _turn_started = 0.0
    _up: Share | None = None
    _down: Share | None = None
    _half_closed = False
    _not_reading = False
    _receiving = False
    _over_long = b""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._holds: set[str] = set()

    # What Twisted tells.

    def connectionMade(self) -> None:
        self.session = self.factory.connected(self)
        forward_half_close(self.transport, self)
        no_delay(self.transport)
        set_read_size(self.transport, lines.READ_SIZE)
        self._peer = self.factory.liveness.watch(self.transport, self._expected, self.session.end)
        self._outflow = Outflow(
            self.transport,
            self._reactor,
            full=lambda: self._hold("unread replies"),
            drained=lambda: self._release("unread replies"),
            lost=self._examine,
            written=self._peer.wake,
        )
        self._hearing = self.factory.patience.hear(self)
        self.session.connected()

    def dataReceived(self, data: bytes) -> None:
        if data:
            self._hearing.heard(data, self.line_mode != 0)
        if self._receiving:  # Called by what this very call delivered.
            super().dataReceived(data)
            return
        self._turn_started = self._reactor.seconds()
        raw = self.takes_views
        self._receiving = self._outflow.gathering = True
        try:
            if raw:
                self.rawDataReceived(data)  # LineReceiver would copy it
            else:
                super().dataReceived(data)
            while self._over_long:
                data, self._over_long = self._over_long, b""
                super().dataReceived(data)
        finally:
            self._receiving = False
            self._outflow.flush()
        self._adjust_reading(bool(data))
        self._check_half_closed()

    @property
    def takes_views(self) -> bool:
        """Whether bytes may come in a buffer that is another's again after the call."""
        if self.unread or self.line_mode or self.paused or self._receiving:
            return False  # What came before has to be delivered before.
        return self.session.phase is Phase.RECEIVING

    def _adjust_reading(self, more_came: bool) -> None:
        """
        Read on only when all that was read has been delivered: were it read on whenever
        a hold is over, each command could leave another read behind it in the buffer.
        """
        if not self.paused and self._not_reading and not self._half_closed:
            self._not_reading = False
            self.transport.resumeProducing()
        elif self.paused and more_came and not self._not_reading:
            # Only now: most holds are over before more data comes.
            self._not_reading = True
            self.transport.pauseProducing()

    def lineReceived(self, line: bytes) -> None:
        self.session.line_received(line)
        if self.paused or not self.unread:
            return
        # One read may hold thousands of commands.
        if not 0 <= self._reactor.seconds() - self._turn_started < TURN:
            self._hold("turn of others")
            self._next_turn = self._reactor.callLater(0, self._release, "turn of others")

    def lineLengthExceeded(self, line: bytes) -> None:
        # LineReceiver delivers nothing more in this call, so dataReceived goes on.
        self.session.line_too_long()
        # Without larger reads: Twisted would let as many bytes of replies wait, too.
        super().setRawMode()
        self._over_long = line

    def rawDataReceived(self, data: bytes) -> None:
        rest = self.session.bytes_received(data)
        if self._up is not None and self._up.flowing:
            self._paced(self._up, self._up.take(len(data) - len(rest or b"")))
        if rest is not None:
            self._end_flow()
            self._hearing.payload_ended()
            self.setLineMode(rest)
            self.session.run_ended()

    def setRawMode(self) -> None:
        super().setRawMode()
        self._peer.wake()
        set_read_size(self.transport, READ_SIZE)

    def setLineMode(self, extra: bytes = b"") -> None:
        set_read_size(self.transport, lines.READ_SIZE)
        super().setLineMode(extra)

    def readConnectionLost(self) -> None:
        self._half_closed = True
        self._check_half_closed()

    def writeConnectionLost(self) -> None:
        # Our last byte and our FIN are out.
        self._abort_within(LINGER)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        for call in (self._deadline, self._pacing, self._next_turn):
            if call is not None and call.active():
                call.cancel()
        self._end_flow()
        self._peer.stop()
        self._hearing.stop()
        clean = reason.check(ConnectionDone) is not None
        self.session.lost(Ending.CLOSED if clean else Ending.RESET)
        self.factory.disconnected(self)

    # What the session asks for (filesrv.server.session.Connection).

    @property
    def secure(self) -> bool:
        return is_tls(self.transport) or is_local(self.transport.getPeer())

    @property
    def tls(self) -> str:
        return tls_version(self.transport)

    @property
    def can_start_tls(self) -> bool:
        return self.factory.credentials is not None

    @property
    def certified_user(self) -> str | None:
        layer = tls_layer(self.transport)
        return None if layer is None else certified_user(layer.tls)

    def drop_lines(self) -> bool:
        return bool(self.clearLineBuffer())

    async def start_tls(self) -> None:
        credentials = self.factory.credentials
        assert credentials is not None
        self._outflow.flush()
        layer = start_tls(self._reactor, self, credentials.context, server_side=True)
        self._outflow.over(layer)
        await layer.done

    def write(self, data: bytes) -> None:
        self._outflow.write(data)

    def take(self, length: int) -> bytes | None:
        taken = super().take(length)
        if taken is not None and self._position == len(self._buffer):
            self._hearing.payload_ended()
        return taken

    def hold(self) -> None:
        self._hold("busy")

    def release(self) -> None:
        self._hearing.answered()
        self._release("busy")

    def raw(self) -> None:
        self.setRawMode()
        if self.session.phase is Phase.RECEIVING:
            self._up = self._up or self.factory.up.share()
            self._paced(self._up, self._up.begin())
        else:
            self._end_flow()

    async def send(self, run: Run) -> None:
        self._peer.wake()
        down = self._down = self._down or self.factory.down.share()
        try:
            if wait := down.begin():
                self._outflow.begin_run()
                await deferLater(self._reactor, wait)
            await self._outflow.send(run, down)
        finally:
            down.end()

    def _paced(self, share: Share, wait: float) -> None:
        """Read no more of the payload than may come."""
        set_read_size(self.transport, min(READ_SIZE, share.chunk))
        if wait:
            self._hold("pace")
            self._pacing = self._reactor.callLater(wait, self._release, "pace")

    def _end_flow(self) -> None:
        if self._up is not None:
            self._up.end()

    async def drained(self) -> None:
        await self._outflow.drained()

    @property
    def delivered(self) -> int:
        return self._outflow.delivered

    def close(self, within: float | None = None) -> None:
        if within is not None:
            self._abort_within(within)
        self._outflow.close()
        self._end_flow()
        self._holds.clear()
        self._release("busy")
        end_writing = half_closer(self.transport)
        if self._half_closed or end_writing is None:
            self.transport.loseConnection()
        else:
            self.setRawMode()  # and the session drops the bytes
            end_writing()

    def _abort_within(self, seconds: float) -> None:
        if self._deadline is not None and self._deadline.active():
            if self._deadline.getTime() <= self._reactor.seconds() + seconds:
                return
            self._deadline.cancel()
        self._deadline = self._reactor.callLater(seconds, self.abort)

    def abort(self) -> None:
        self._outflow.close()
        self.transport.abortConnection()

    # Reasons for not delivering lines.

    def _hold(self, why: str) -> None:
        self._holds.add(why)
        self.paused = True

    def _release(self, why: str) -> None:
        self._holds.discard(why)
        if self._holds or not self.paused:
            return
        self.paused = False
        self.dataReceived(b"")

    def _check_half_closed(self) -> None:
        if self._half_closed and not self.paused and not self._receiving:
            self.session.half_closed()

    def _expected(self) -> int | None:
        """What is expected of the peer: payload, or that it reads our replies."""
        expected = self.session.expected
        return self._outflow.waiting if expected is None and not self._outflow.ready else expected

    # What patience asks (filesrv.server.patience.Peer).

    @property
    def is_their_turn(self) -> bool:
        return (
            self.session.phase in (Phase.READY, Phase.SKIPPING_LINE)
            and not self._holds
            and not self._outflow.waiting
        )

    @property
    def payload(self) -> int | None:
        return self.session.expected

    def end(self, ending: Ending, refusal: FilesrvError) -> None:
        self.session.end(ending, refusal)

    def _examine(self) -> None:
        self.session.ending = self.session.ending or ending_seen(self.transport)
