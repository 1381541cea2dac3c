"""
Is the peer still there?  Three questions with three answers:

- Nothing is on its way to the peer: keep-alive probes, on a schedule set on the socket
  (tcp(7): TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT).
- Something is, and its machine does not answer: SO_KEEPALIVE is silent then, so TCP_INFO
  is asked every second.  (TCP_USER_TIMEOUT would notice, too, but it also ends a
  connection whose peer has only paused reading, and it switches the count of the
  keep-alive probes off.)
- Its machine answers and its program moves no payload: that peer has stalled.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from filesrv.transfer.sockets import (
    TCPInfo,
    keep_alive,
    limit_retransmission,
    socket_under,
    tcp_info,
    unsent,
)
from filesrv.wire.endings import Ending

__all__ = ["LATE", "Liveness", "Peer"]

#: Seconds between two looks at the connections on which something is expected.
CHECK_EVERY = 1.0

#: Seconds by which a timer is later than any load explains: this process was stopped, or
#: its machine asleep, or the clock was put forward.  No peer is to blame for that.
LATE = 5.0

#: What part of the time a peer may be silent in is the longest that the kernel may wait
#: before it sends again.  A path that heals is then noticed soon, and four tries in vain
#: come before a peer counts as dead.
RETRANSMISSION_PART = 4

#: What part of that time probes of a closed window must go unanswered, when the last
#: answer is old enough: on a system that spaces them by minutes, one may just be out.
PROBE_PART = 3


class Liveness:
    """
    Watches the connections of one process.

    @ivar dead_after: seconds without an answer after which a peer is dead.
    @ivar stall_timeout: seconds without payload after which it has stalled.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, dead_after: float, stall_timeout: float) -> None:
        self.clock = clock
        self.dead_after = dead_after
        self.stall_timeout = stall_timeout
        self._awake: set[Peer] = set()
        self._next: IDelayedCall | None = None
        self._due = 0.0
        self._told: set[str] = set()

    def watch(
        self,
        transport: Any,
        progress: Callable[[], int | None],
        ended: Callable[[Ending], None],
    ) -> Peer:
        """
        Watch a new connection.

        @param progress: a count that changes when payload moves; L{None} while nothing
            is expected of the peer.
        @param ended: called once, when the peer is found dead or stalled.
        """
        sock = socket_under(transport)
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            self._tell(keep_alive(sock, self.dead_after))
            self._tell(limit_retransmission(sock, self.dead_after / RETRANSMISSION_PART))
        return Peer(self, transport, progress, ended)

    def wake(self, peer: Peer) -> None:
        """Look at a connection until nothing is expected on it any more."""
        self._awake.add(peer)
        if self._next is None:
            self._look_again()

    def sleep(self, peer: Peer) -> None:
        """Stop looking."""
        self._awake.discard(peer)
        if not self._awake and self._next is not None:
            self._next.cancel()
            self._next = None

    def _look_again(self) -> None:
        self._due = self.clock.seconds() + CHECK_EVERY
        self._next = self.clock.callLater(CHECK_EVERY, self._check)

    def _check(self) -> None:
        # Not a LoopingCall: a peer that is ended here may be woken by its last reply, and
        # a loop that is stopped and started by its own call runs twice.
        self._next = None
        late = self.clock.seconds() - self._due
        for peer in list(self._awake):
            if late > LATE:
                peer.excuse(late)
            peer.check()
        if self._awake and self._next is None:
            self._look_again()

    def _tell(self, lacking: list[str]) -> None:
        """What the system cannot do is said once."""
        for option in set(lacking) - self._told:
            self._told.add(option)
            self._log.warn(
                "this system lacks {option}: a dead peer may be noticed later", option=option
            )


class Peer:
    """The far end of one connection."""

    def __init__(
        self,
        liveness: Liveness,
        transport: Any,
        progress: Callable[[], int | None],
        ended: Callable[[Ending], None],
    ) -> None:
        self._liveness = liveness
        self._transport = transport
        self._progress = progress
        self._ended = ended
        self._awake = False
        self._count: int | None = None
        self._acknowledged = 0
        self._moved = 0.0
        self._settled = 0.0

    def wake(self) -> None:
        """Something is on its way to the peer, or expected of it."""
        if not self._awake:
            self._awake = True
            self._moved = self._settled = self._liveness.clock.seconds()
            self._liveness.wake(self)

    def stop(self) -> None:
        """The connection has ended."""
        self._awake = False
        self._liveness.sleep(self)

    def excuse(self, seconds: float) -> None:
        """So long nobody was here to see what the peer did."""
        now = self._liveness.clock.seconds()
        self._moved = min(now, self._moved + seconds)
        self._settled = min(now, self._settled + seconds)

    def check(self) -> None:
        """Look once."""
        now = self._liveness.clock.seconds()
        sock = socket_under(self._transport)
        waiting = 0 if sock is None else unsent(sock)
        count = self._progress()
        if count is None and not waiting:
            self.stop()
        elif sock is not None and self._is_dead(tcp_info(sock), waiting, now):
            self._end(Ending.DEAD_UNACKNOWLEDGED)
        elif self._has_stalled(count, now):
            self._end(Ending.STALLED)

    def _is_dead(self, info: TCPInfo | None, waiting: int, now: float) -> bool:
        if info is None or not waiting or not (info.in_flight or info.probes):
            self._settled = now
            return False
        if info.bytes_acknowledged != self._acknowledged:
            self._acknowledged, self._settled = info.bytes_acknowledged, now
        limit = self._liveness.dead_after
        answered = now - info.since_ack_received / 1000
        if not info.in_flight:
            return now - answered >= limit and now - self._settled >= limit / PROBE_PART
        if info.window:
            # It has room and acknowledges nothing: nothing arrives there, although its
            # own segments may still arrive here (a NAT that forgot one direction).
            return now - self._settled >= limit
        # The last answer may be older than what has been sent since.
        return now - max(self._settled, answered) >= limit

    def _has_stalled(self, count: int | None, now: float) -> bool:
        if count is None or count != self._count:
            self._count, self._moved = count, now
        return now - self._moved >= self._liveness.stall_timeout

    def _end(self, ending: Ending) -> None:
        self.stop()
        self._ended(ending)
