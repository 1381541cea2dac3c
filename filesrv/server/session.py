"""
The conversation over one connection: what a line, a payload and an end mean in each
phase, and what a verb may do about them.

It knows its connection only as L{Connection}, so that tests hold it without Twisted's
transports; L{filesrv.server.protocol} is the glue.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from itertools import islice
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from filesrv import __version__
from filesrv.server import events
from filesrv.server.caller import Caller
from filesrv.server.commands import COMMANDS, Verb
from filesrv.server.events import Who
from filesrv.server.last_words import CLOSE_WITHIN, DEAD, LAST_WORDS
from filesrv.server.phases import Event, Phase, next_phase
from filesrv.server.port import Connection, ConnectionEnded, PayloadCut
from filesrv.server.shelves import Shelves
from filesrv.transfer.receive import Receiving, Sink
from filesrv.transfer.send import FileShrank, Run
from filesrv.transfer.sockets import ending_of
from filesrv.transfer.tls_failures import TLSFailed
from filesrv.wire.endings import Ending
from filesrv.wire.errors import (
    BadArguments,
    FilesrvError,
    Internal,
    LineTooLong,
    UnknownCommand,
)
from filesrv.wire.grammar import MAX_LINE, split_verb
from filesrv.wire.replies import err, ok
from filesrv.wire.telnet import IAC, strip_telnet, timing_marks

__all__ = ["MAX_SKIPPED", "TURN", "Session"]

#: Bytes that are read and dropped, of a line that is too long or of a refused payload,
#: before the connection is closed instead.
MAX_SKIPPED = 1024 * 1024

#: Seconds that the commands of one connection may work before the others have their turn.
TURN = 0.005

#: Lines of a long reply that are written at a time.
BATCH = 256


class Session(Caller):
    """
    One connection's conversation; to a verb, its L{filesrv.server.port.Port}.

    @ivar ending: why the connection ended, as soon as that is known.
    """

    def __init__(self, connection: Connection, shelves: Shelves, who: Who) -> None:
        super().__init__(connection, shelves, who)
        self.phase = Phase.READY
        self.ending: Ending | None = None
        self._eol = b"\r\n"
        self._subnegotiating = False
        self._receiving: Receiving | None = None
        self._skip = 0
        self._took_payload = False
        self._turn_started = 0.0

    # What the connection tells.

    def connected(self) -> None:
        """Greet."""
        self._believe_certificate()
        self.reply(f"filesrv {__version__} ready; HELP lists the commands")

    def line_received(self, line: bytes) -> None:
        """Perform one command; C{line} is without its LF."""
        if self.phase is not Phase.READY:
            return
        if line[-1:] == b"\r":
            line, self._eol = line[:-1], b"\r\n"
        else:
            self._eol = b"\n"
        if IAC in line or self._subnegotiating:
            if answer := timing_marks(line):
                self._connection.write(answer)
            line, self._subnegotiating = strip_telnet(line, self._subnegotiating)
        word, text = split_verb(line)
        if word:
            self._perform(word, text, len(line))

    def line_too_long(self) -> None:
        """What comes is no command, up to its LF; bytes are delivered from here on."""
        if self.phase is Phase.READY:
            self._enter(Event.LONG_LINE)
            self._eol = b"\r\n"
            self._skip = MAX_SKIPPED

    def bytes_received(self, data: bytes) -> bytes | None:
        """
        Take raw bytes.

        @return: what is behind the raw run where it has ended, else L{None}.  Having put
            that back, the connection calls L{run_ended}.
        """
        if self.phase is Phase.RECEIVING:
            return self._payload_received(data)
        if self.phase is Phase.SKIPPING_PAYLOAD:
            rest, self._skip = data[self._skip :], max(0, self._skip - len(data))
            return rest if self._skip == 0 else None
        if self.phase is Phase.SKIPPING_LINE:
            return self._line_skipped(data)
        return None

    def run_ended(self) -> None:
        """The raw run is over and lines are read again."""
        if self.phase is Phase.RECEIVING:
            self._enter(Event.MOVED)
            receiving, self._receiving = self._receiving, None
            assert receiving is not None
            receiving.finish()
        elif self.phase in (Phase.SKIPPING_LINE, Phase.SKIPPING_PAYLOAD):
            self._enter(Event.SKIPPED)

    def half_closed(self) -> None:
        """The peer will send no more, and all that it sent was delivered."""
        self.ending = self.ending or Ending.CLOSED
        if self.phase is Phase.SKIPPING_LINE:
            self._refuse(LineTooLong())
        self._end_receiving(PayloadCut(self.ending))
        self.close()

    def lost(self, ending: Ending) -> None:
        """The connection has ended."""
        self.ending = self.ending or ending
        self._enter(Event.LOST)
        self.shelves.root.rest()
        self._end_receiving(ConnectionEnded(self.ending))

    def end(self, ending: Ending, refusal: FilesrvError | None = None) -> None:
        """
        End the connection for a reason of ours, and say so where that does not fall
        into a payload.

        @param refusal: what is said, where more can be said than what the ending says.
        """
        if self.phase is Phase.CLOSING and ending in (DEAD | {Ending.STALLED}):
            self._connection.abort()
        if self.phase in (Phase.CLOSING, Phase.CLOSED):
            return
        self.ending = ending
        if ending is Ending.TAKEN_OVER:
            self.shelves.events.publish(events.TakenOver(self.who))
        in_payload = self.phase in (Phase.SENDING, Phase.SECURING)
        if not in_payload and ending in LAST_WORDS:
            self._eol = b"\r\n"
            self._refuse(refusal or LAST_WORDS[ending]())
        self._enter(Event.CLOSE)
        self._end_receiving(ConnectionEnded(ending))
        if ending in DEAD or (in_payload and ending is not Ending.SERVER_STOPPED):
            self._connection.abort()
        else:
            self._connection.close(CLOSE_WITHIN)

    @property
    def expected(self) -> int | None:
        """
        A count that changes with every byte of payload that the peer takes or sends;
        L{None} where no payload is on its way.
        """
        if self.phase is Phase.SENDING:
            return self._connection.delivered
        if self.phase is Phase.RECEIVING and self._receiving is not None:
            return self._receiving.remaining
        return self._skip if self.phase is Phase.SKIPPING_PAYLOAD else None

    # What a verb may do.

    async def start_tls(self) -> None:
        if self._connection.drop_lines():
            # Whoever sent those may be somebody else than who would have the keys.
            self._refuse(BadArguments("nothing may be sent behind STARTTLS before its OK"))
            self.close()
            raise ConnectionEnded(Ending.REFUSED)
        self.reply("begin the handshake")
        self._enter(Event.SECURE)
        self._connection.release()
        try:
            await self._connection.start_tls()
        except TLSFailed as error:
            self.log("no TLS: {why}", why=error.words)
            raise ConnectionEnded(Ending.REFUSED) from None
        self._enter(Event.SECURED)
        self.forget()
        self._subnegotiating = False
        self.log("under {tls}", tls=self.tls)
        self._believe_certificate()

    def _believe_certificate(self) -> None:
        try:
            self.believe(self._connection.certified_user)
        except FilesrvError as error:  # There is no room for a home.
            self._refuse(error)
            self.close()

    def log_in(self, user: str) -> None:
        self._check_open()
        super().log_in(user)

    def reply(self, words: str = "", **fields: object) -> None:
        self.reply_bare(ok(words, **fields))

    def reply_bare(self, line: bytes) -> None:
        self._connection.write(line + self._eol)

    async def reply_lines(self, lines: Iterable[str], **fields: object) -> None:
        encoded = []
        for line in lines:
            encoded.append(line.encode("utf-8"))
            await self.breathe()
        self.reply("", lines=len(encoded), **fields)
        rest = iter(encoded)
        while batch := list(islice(rest, BATCH)):
            self._connection.write(self._eol.join(batch) + self._eol)
            await self._unless_ended(self._connection.drained())

    async def receive(self, sink: Sink, length: int) -> None:
        self._took_payload = True
        if length == 0:
            return
        self._enter(Event.RECEIVE)
        self._receiving = Receiving(sink, length)
        done = self._receiving.done
        self._connection.raw()
        self._connection.release()
        await done

    def take(self, length: int) -> bytes | None:
        payload = self._connection.take(length)
        self._took_payload = payload is not None
        return payload

    def send_at_once(self, content: bytes) -> None:
        self._connection.write(content)

    async def send(self, run: Run) -> None:
        self._enter(Event.SEND)
        try:
            await self._unless_ended(self._connection.send(run))
        except (OSError, FileShrank) as error:
            # The peer still waits for bytes that it was promised; all that is left to
            # say is the end.
            ending = ending_of(error)
            if ending is None:
                self._log.failure("client {peer}: while sending", peer=self.peer)
            self.ending = self.ending or ending or Ending.REFUSED
            self._connection.abort()
            raise ConnectionEnded(self.ending) from error
        self._enter(Event.MOVED)

    @property
    def delivered(self) -> int:
        return self._connection.delivered

    async def breathe(self) -> None:
        now = self.shelves.clock.seconds()
        if not 0 <= now - self._turn_started < TURN:
            await deferLater(self.shelves.clock, 0)
            self._turn_started = self.shelves.clock.seconds()
            self._check_open()

    def close(self) -> None:
        self._enter(Event.CLOSE)
        self._connection.close()

    # How a command is performed.

    def _perform(self, word: str, text: bytes, length: int) -> None:
        self._took_payload = False
        verb = COMMANDS.get(word)
        try:
            pending = self._dispatch(verb, word, text, length)
        except Exception:
            self._fail(Failure(), verb, text)
            return
        if pending is None:
            return
        self._enter(Event.COMMAND)
        self._connection.hold()
        self._turn_started = self.shelves.clock.seconds()
        done = Deferred.fromCoroutine(pending)
        done.addCallbacks(self._answered, self._fail, errbackArgs=(verb, text))

    def _dispatch(
        self, verb: Verb | None, word: str, text: bytes, length: int
    ) -> Coroutine[Any, Any, None] | None:
        if length > MAX_LINE:
            raise LineTooLong
        if self.shelves.draining.on:
            self.shelves.draining.admit(self.number, word)
        if verb is None:
            raise UnknownCommand
        if verb.open:  # and has no names
            return verb.run(self, verb.syntax.bind(word, text))
        self.visitor.check_known(verb.names)
        return verb.run(self, self.visitor.admit(verb.syntax.bind(word, text), verb.names))

    def _answered(self, _: object = None) -> None:
        self._enter(Event.ANSWERED)
        self._connection.release()

    def _fail(self, failure: Failure, verb: Verb | None, text: bytes) -> None:
        """The one place where what went wrong becomes a reply."""
        error = failure.value
        if self.phase in (Phase.CLOSING, Phase.CLOSED) or isinstance(error, ConnectionEnded):
            return
        if not isinstance(error, FilesrvError):
            self._log.failure("client {peer}: a fault of ours", failure, peer=self.peer)
            error = Internal()
        self._refuse(error)
        coming = self._still_coming(verb, text)
        if error.closes or coming > MAX_SKIPPED:
            self.close()
        elif coming:
            self._skip_payload(coming)
        elif self.phase is Phase.BUSY:
            self._answered()

    def _still_coming(self, verb: Verb | None, text: bytes) -> int:
        """Bytes of payload that follow although their command was refused."""
        if self._took_payload:
            receiving, self._receiving = self._receiving, None
            return 0 if receiving is None else receiving.remaining
        return 0 if verb is None else verb.announced(text)

    def _refuse(self, error: FilesrvError) -> None:
        error.words = self.visitor.words(error.words)
        self.reply_bare(err(error))
        self.shelves.events.publish(events.Refused(self.who, error))

    def _skip_payload(self, length: int) -> None:
        """A payload must never be read as commands, whatever became of its upload."""
        self._skip = length
        self._enter(Event.SKIP)
        self._connection.raw()
        self._connection.release()

    def _payload_received(self, data: bytes) -> bytes | None:
        receiving = self._receiving
        assert receiving is not None
        surplus = receiving.feed(data)
        if receiving.remaining == 0:
            self._connection.hold()
            return surplus
        if receiving.refused is not None:
            receiving.fail(receiving.refused)
        return None

    def _line_skipped(self, data: bytes) -> bytes | None:
        line, found, rest = data.partition(b"\n")
        # How the line ends, its last byte but the LF tells, which may come on its own.
        if line:
            self._eol = b"\r\n" if line.endswith(b"\r") else b"\n"
        self._skip -= len(line)
        if self._skip < 0:
            self._eol = b"\r\n"
            self._refuse(LineTooLong())
            self.close()
        elif found:
            self._refuse(LineTooLong())
            return rest
        return None

    def _end_receiving(self, reason: ConnectionEnded) -> None:
        receiving, self._receiving = self._receiving, None
        if receiving is not None:
            receiving.fail(reason)

    async def _unless_ended(self, waiting: Coroutine[Any, Any, None]) -> None:
        try:
            await waiting
        except ConnectionLost:
            raise ConnectionEnded(self.ending or Ending.RESET) from None

    def _check_open(self) -> None:
        if self.phase in (Phase.CLOSING, Phase.CLOSED):
            raise ConnectionEnded(self.ending or Ending.CLOSED)

    def _enter(self, event: Event) -> None:
        self.phase = next_phase(self.phase, event)
