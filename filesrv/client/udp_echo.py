"""
Sending lines to an echo over UDP (RFC 862), and measuring how long they take to come back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.task import deferLater

from filesrv.client.address import ServerAddress
from filesrv.client.connecting import CONNECT_TIMEOUT
from filesrv.client.console import Console
from filesrv.client.echo_socket import EchoSocket
from filesrv.client.errors import CannotConnect, ClientError
from filesrv.client.input_lines import InputLines, TooLong
from filesrv.client.resolver import resolve
from filesrv.client.round_trips import Answer, RoundTrip, RoundTrips
from filesrv.client.session import Session
from filesrv.transfer.pace import Pace
from filesrv.wire.datagrams import LARGEST, RATE, cost

__all__ = ["EchoRun", "udp_echo"]

#: Datagrams on their way at most; sixteen of the largest fill a socket's buffer by far,
#: but the pace keeps those apart.
_MOST_WAITING = 1024

#: Characters of a datagram that a message about it shows.
_SHOWN = 40


class _TooLongLines(ClientError):
    """Some lines were not sent."""


class EchoRun:
    """
    One run, over one address after the other until one takes what is sent.
    """

    def __init__(
        self,
        reactor: Any,
        console: Console,
        server: ServerAddress,
        addresses: Sequence[IAddress],
        timeout: float,
        connect: Callable[[Any, Any, Any], Any] = EchoSocket,
    ) -> None:
        """
        @param timeout: seconds until a datagram counts as lost.
        @param connect: makes the socket of the reactor, an address, and this.
        """
        self._connect = connect
        self._reactor = reactor
        self._console = console
        self._server = server
        self._addresses = list(addresses)
        self._timeout = timeout
        self._trips = RoundTrips()
        self._pace = Pace(reactor, RATE)
        self._ended = False
        self._too_long = 0
        self._socket: EchoSocket | None = None
        self._working: Deferred[None] | None = None
        self._failure: Exception | None = None
        self._changed: Deferred[None] | None = None

    async def send_lines(self, lines: InputLines) -> None:
        """
        Send each line, wait for what is still on its way, and sum up.

        @raise CannotConnect: nobody answered.
        @raise ClientError: lines were too long to be sent.
        """
        try:
            self._next_address("no address")
            if self._failure is None:
                self._working = Deferred.fromCoroutine(self._work(lines))
                await self._working
        except CancelledError:
            if self._failure is None:
                raise
        finally:
            self._stop()
            self._sum_up()
        if self._failure is not None:
            raise self._failure
        totals = self._trips.totals
        if totals.sent and not totals.received:
            raise CannotConnect(f"nobody answered at {self._server}")
        if self._too_long:
            raise _TooLongLines(f"{self._too_long} lines were too long to be sent")

    async def _work(self, lines: InputLines) -> None:
        while True:
            try:
                line = await lines.next()
            except TooLong:
                self._too_long += 1
                self._console.error(f"a datagram takes {LARGEST:,} bytes at most")
                continue
            if line is None:
                break
            await self._send(line)
        while len(self._trips):
            await self._change()

    async def _send(self, line: bytes) -> None:
        while len(self._trips) >= _MOST_WAITING:
            await self._change()
        trip = RoundTrip(line, self._reactor.seconds())
        self._trips.sent(trip)
        self._start(trip)
        # No faster than servers answer: what they drop would look like a bad network.
        await deferLater(self._reactor, self._pace.take(cost(len(line))))

    def _change(self) -> Deferred[None]:
        """Until a datagram is answered or lost."""
        self._changed = Deferred()
        return self._changed

    def _start(self, trip: RoundTrip) -> None:
        trip.stop()
        trip.sent_at = self._reactor.seconds()
        late = f"no answer in {self._timeout:g} s"
        trip.timer = self._reactor.callLater(self._timeout, self._lose, trip, late)
        if self._socket is None:  # between two addresses
            return
        try:
            self._socket.send(trip.data)
        except OSError as error:
            self.refused(error.strerror or str(error))

    def answered(self, data: bytes) -> None:
        """The server sent something."""
        answer = self._trips.answered(data, self._reactor.seconds())
        if answer is None:
            what = "twice" if self._trips.is_double(data) else "unasked"
            self._console.note(f"came {what}: {_shown(data)}")
            return
        try:
            self._show(data, answer)
        except BrokenPipeError as error:
            self._fail(error)
        self._settled()

    def _show(self, data: bytes, answer: Answer) -> None:
        text = data.decode("utf-8", "backslashreplace")
        milliseconds = answer.seconds * 1000
        if self._console.as_json:
            self._console.json({"answer": text, "milliseconds": milliseconds, "late": answer.late})
        else:
            late = "  (late)" if answer.late else ""
            self._console.line(f"{milliseconds:9.3f} ms  {text}{late}")

    def refused(self, why: str) -> None:
        """The system says that nothing gets through to the server."""
        if self._trips.any_answered:  # it was there, and may be again
            for trip in self._trips:
                self._lose(trip, why)
        elif self._socket is not None:  # not on the way to another already
            self._close()
            self._reactor.callLater(0, self._next_address, why)

    def _next_address(self, why: str) -> None:
        while self._addresses and self._socket is None and not self._ended:
            try:
                self._socket = self._connect(self._reactor, self._addresses.pop(0), self)
            except OSError as error:
                why = error.strerror or str(error)
        if self._ended:
            return
        if self._socket is None:
            self._fail(CannotConnect(f"{self._server}: {why}"))
            return
        for trip in self._trips:
            self._start(trip)

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        if self._working is not None:
            self._working.cancel()

    def _lose(self, trip: RoundTrip, why: str) -> None:
        self._trips.lost(trip)
        self._console.error(f"{why}: {_shown(trip.data)}")
        self._settled()

    def _settled(self) -> None:
        changed, self._changed = self._changed, None
        if changed is not None:
            changed.callback(None)

    def _stop(self) -> None:
        self._ended = True
        for trip in self._trips:
            trip.stop()
        self._close()

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _sum_up(self) -> None:
        totals = self._trips.totals
        times = totals.least_median_most
        if self._console.as_json:
            names = ("least", "median", "most")
            found = dict(zip(names, [time * 1000 for time in times or ()], strict=False))
            counts = {"sent": totals.sent, "received": totals.received, "lost": totals.lost}
            self._console.json({**counts, "milliseconds": found})
            return
        words = f"{totals.sent} sent, {totals.received} received, {totals.lost} lost"
        if times is not None:
            least, median, most = (f"{time * 1000:.3f}" for time in times)
            words += f"; round trip min/median/max {least}/{median}/{most} ms"
        if not self._console.quiet:
            self._console.line(words)


def _shown(data: bytes) -> str:
    """A datagram in a message about it."""
    if not data:
        return "an empty datagram"
    text = data[: 4 * _SHOWN].decode("utf-8", "backslashreplace")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(data):,} bytes)"


async def udp_echo(session: Session, server: ServerAddress, timeout: float) -> None:
    """
    Send what comes in on stdin, line by line.

    @param timeout: seconds until a datagram counts as lost.
    @raise ClientError: see L{EchoRun.send_lines}.
    """
    reactor, console = session.reactor, session.console

    def timed_out(result: object, seconds: float) -> list[IAddress]:
        raise CannotConnect(f"no address for {server.host} in {seconds:g} s")

    asked = resolve(reactor, server.host, server.port)
    addresses = await asked.addTimeout(CONNECT_TIMEOUT, reactor, timed_out)
    if console.stdin.isatty():
        console.note("each line is sent as a datagram; Ctrl-D ends")
    lines = InputLines(reactor, console.stdin.fileno(), LARGEST)
    await EchoRun(reactor, console, server, addresses, timeout).send_lines(lines)
