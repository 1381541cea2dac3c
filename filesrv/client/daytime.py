"""
Asking a server for the time (RFC 867), and how far the clock of this machine is from it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from filesrv.client.address import ServerAddress
from filesrv.client.connecting import CONNECT_TIMEOUT, dial
from filesrv.client.errors import CannotConnect, ConnectionEnded
from filesrv.client.session import Session
from filesrv.wire.daytime import parse_daytime
from filesrv.wire.endings import Ending
from filesrv.wire.errors import BadArguments
from filesrv.wire.replies import MalformedReply

__all__ = ["DaytimeReader", "Difference", "daytime", "difference", "fetch"]

#: Bytes that are read at most: RFC 867 has one line, some servers write two.
_LONGEST = 1024


class DaytimeReader(Protocol):
    """
    Reads until the server closes.

    @ivar said: fires with what it said.
    """

    transport: Any

    def __init__(self) -> None:
        self._data = b""
        self.said: Deferred[bytes] = Deferred(lambda _: self.transport.abortConnection())

    def dataReceived(self, data: bytes) -> None:
        self._data += data
        if len(self._data) > _LONGEST:
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.said.called:
            return
        if len(self._data) > _LONGEST:
            self.said.errback(MalformedReply("that is no server that tells the time"))
        elif not reason.check(ConnectionDone) and not self._data.endswith(b"\n"):
            self.said.errback(ConnectionEnded(Ending.RESET))
        else:
            self.said.callback(self._data)


async def fetch(reactor: Any, server: ServerAddress, timeout: float = CONNECT_TIMEOUT) -> str:
    """
    What the server says.

    @param timeout: seconds for all of it.
    @raise CannotConnect: nobody answers there.
    @raise ConnectionEnded: it closed without a word, or broke off.
    @raise MalformedReply: it says more than a time is.
    """

    async def ask() -> str:
        protocol = await dial(reactor, server, Factory.forProtocol(DaytimeReader))
        assert isinstance(protocol, DaytimeReader)
        text = (await protocol.said).decode("utf-8", "backslashreplace").strip()
        if not text:
            raise ConnectionEnded(Ending.CLOSED, f"{server} closed without telling the time")
        return text

    def timed_out(result: object, seconds: float) -> str:
        raise CannotConnect(f"{server} has told no time in {seconds:g} s")

    return await Deferred.fromCoroutine(ask()).addTimeout(timeout, reactor, timed_out)


class Difference(NamedTuple):
    """
    How far the server's clock is ahead of this one, in seconds.

    @ivar uncertainty: seconds that it may be more or less than that.
    """

    ahead: float
    uncertainty: float

    def __str__(self) -> str:
        about = f"give or take {self.uncertainty:.1f} s"
        if abs(self.ahead) <= self.uncertainty:
            return f"the server's clock and this one agree, {about}"
        way = "ahead of" if self.ahead > 0 else "behind"
        return f"the server's clock is {abs(self.ahead):,.1f} s {way} this one, {about}"


def difference(text: str, asked: float, answered: float) -> Difference:
    """
    What the line says of the clocks.

    It was written at some moment between C{asked} and C{answered}, in seconds of this
    clock, and at some moment of the second that it names.

    @raise MalformedReply: its time is in no form that is known here.
    """
    try:
        second = parse_daytime(text)
    except BadArguments as error:
        raise MalformedReply(f"no difference: {error.words}") from None
    middle = (asked + answered) / 2
    return Difference(second + 0.5 - middle, 0.5 + max(0.0, answered - asked) / 2)


async def daytime(session: Session, server: ServerAddress, show_difference: bool) -> None:
    """
    Show what the server says, and the difference if it is wanted.

    @raise MalformedReply: see L{fetch} and L{difference}.
    @raise ClientError: see L{fetch}.
    """
    clock, console = session.reactor, session.console
    asked = clock.seconds()
    text = await fetch(clock, server)
    answered = clock.seconds()
    if console.as_json:
        found: dict[str, object] = {"said": text}
        if show_difference:
            found |= difference(text, asked, answered)._asdict()
        console.json(found)
        return
    for line in text.splitlines():
        console.line(line)
    if show_difference:
        console.line(str(difference(text, asked, answered)))
