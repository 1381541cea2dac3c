"""
What the contract says of a conversation: which bytes are commands, which are payload, and
what has to be answered.  Written down a second time, as plainly as can be and without a
line of the server's own, so that the two can be held against each other.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field

__all__ = ["Broken", "Heard", "announced", "follow", "telnet_line", "without_telnet"]

MAX_LINE = 4096
MAX_SKIPPED = 1024 * 1024

#: How the first line of each verb's answer looks.
_ANSWERS = {
    b"TIME": rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d",
    b"HELLO": rb"OK client=\S+",
    b"STAT": rb"OK size=\d+ modified=\S+ version=\S+( stored=\d+)?",
    b"UPLOAD": rb"OK offset=\d+ length=\d+( last=\S+)?",
    b"DOWNLOAD": rb"OK offset=\d+ length=\d+ size=\d+ version=\S+ .*",
    b"DISCARD": rb"OK",
    b"DELETE": rb"OK",
    b"RENAME": rb"OK",
    b"HASH": rb"OK \S+=[0-9a-f]{64} size=\d+",
    b"COMMIT": rb"OK stored=.* size=\d+ version=\S+",
}
_LISTS = frozenset({b"LIST", b"HELP", b"PENDING", b"SUMS"})
_BYE = frozenset({b"QUIT", b"EXIT", b"CLOSE"})

#: What a server says unasked, before it closes.
_LAST_WORDS = re.compile(
    rb"ERR (TAKEN_OVER|STALLED|SHUTTING_DOWN|IDLE|TOO_MANY_CONNECTIONS)\b[^\n]*\r\n"
)
_REFUSAL = re.compile(rb"ERR [A-Z_]+( .*)?")
_STORED = re.compile(rb"OK (stored=.* )?size=\d+ received=\d+ seconds=\S+ bitrate=\S+")


class Broken(AssertionError):
    """The contract was broken."""


@dataclass
class Heard:
    """
    What is known of a conversation when it is over.

    @ivar sent: all that the client sent.
    @ivar got: all that it was sent, from the greeting on.
    @ivar listened: whether it heard all, so that every reply must be there.
    @ivar half_closed: whether it closed its half.
    @ivar closed: whether the server did.
    """

    sent: bytes
    got: bytes
    listened: bool
    half_closed: bool
    closed: bool
    commands: list[bytes] = field(default_factory=list)


class _Over(Exception):
    """Nothing more can be said about the conversation."""


def follow(heard: Heard) -> list[bytes]:
    """
    The lines that were commands.

    @raise Broken: what was answered is not what these commands, and only these, ask for.
    """
    walk = _Walk(heard)
    with suppress(_Over):
        walk.conversation()
    return heard.commands


class _Walk:
    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._sent, self._got = heard.sent, heard.got
        self._subnegotiating = False

    def conversation(self) -> None:
        greeting = self._reply(b"\r\n")
        if _REFUSAL.fullmatch(greeting):
            self._closes()
        self._must(re.match(rb"OK filesrv \S+ ready", greeting), "a greeting", greeting)
        while self._sent:
            line, found, rest = self._sent.partition(b"\n")
            if len(line) > MAX_LINE + 1:
                self._too_long(line, bool(found), rest)
            elif not found:
                break
            else:
                self._sent = rest
                self._line(line)
        self._ends()

    def _too_long(self, line: bytes, ended: bool, rest: bytes) -> None:
        too_much = len(line) > MAX_SKIPPED
        if not (ended or too_much or self._heard.half_closed):
            self._sent = b""
            return
        code = self._reply(b"\r\n" if too_much or line.endswith(b"\r") else b"\n", loose=not ended)
        self._must(code.startswith(b"ERR LINE_TOO_LONG"), "LINE_TOO_LONG", code)
        self._sent = rest
        if too_much:
            self._closes()

    def _line(self, line: bytes) -> None:
        eol = b"\n"
        if line.endswith(b"\r"):
            line, eol = line[:-1], b"\r\n"
        if 0xFF in line or self._subnegotiating:
            marks = without_telnet(line)[2]
            answer = b"\xff\xfc\x06" * marks
            self._must_or_end(self._got.startswith(answer), "timing marks")
            self._got = self._got[len(answer) :]
            line, self._subnegotiating = telnet_line(line, self._subnegotiating)
        if line.strip(b" \t"):
            self._heard.commands.append(line)
            self._command(line, eol)

    def _command(self, line: bytes, eol: bytes) -> None:
        verb, text = _verb(line)
        if verb == b"ECHO" and len(line) <= MAX_LINE:
            self._echo(text, eol)
            return
        first = self._reply(eol)
        if _REFUSAL.fullmatch(first):
            self._refused(verb, text)
            return
        self._must(len(line) <= MAX_LINE, "LINE_TOO_LONG", first)
        if verb in _LISTS:
            self._list(first, eol)
        elif verb in _BYE:
            self._must(first == b"OK bye", "OK bye", first)
            self._closes()
        else:
            pattern = _ANSWERS.get(verb, rb"OK.*" if verb.isalpha() else rb"(?!)")
            self._must(re.fullmatch(pattern, first), f"the answer to {verb!r}", first)
        if verb == b"UPLOAD":
            self._upload(_count(first, b"length"), eol)
        elif verb == b"DOWNLOAD":
            self._download(_count(first, b"length"), eol)

    def _echo(self, text: bytes, eol: bytes) -> None:
        wanted = text + eol
        if not self._got.startswith(wanted):
            first = self._reply(eol)
            self._must(_REFUSAL.fullmatch(first), f"the echo of {text!r}", first)
        self._got = self._got[len(wanted) :]

    def _list(self, first: bytes, eol: bytes) -> None:
        count = _count(first, b"lines")
        self._must(count >= 0, "OK lines=", first)
        for _ in range(count):
            self._reply(eol)

    def _refused(self, verb: bytes, text: bytes) -> None:
        coming = announced(text) if verb == b"UPLOAD" else 0
        if coming > MAX_SKIPPED:
            self._closes()
        if coming > len(self._sent):
            self._ends()
        self._sent = self._sent[coming:]

    def _upload(self, length: int, eol: bytes) -> None:
        if length and len(self._sent) < length:
            if self._got or self._heard.half_closed:
                cut = self._reply(eol)
                self._must(_REFUSAL.fullmatch(cut), "a refusal", cut)
            self._ends()
        self._sent = self._sent[length:]
        done = self._reply(eol)
        if not _REFUSAL.fullmatch(done):
            self._must(_STORED.fullmatch(done), "what was stored", done)

    def _download(self, length: int, eol: bytes) -> None:
        if len(self._got) < length:
            self._ends(cut=True)
        self._got = self._got[length:]
        done = self._reply(eol)
        if not _REFUSAL.fullmatch(done):
            self._must(_count(done, b"sent") == length, "what was sent", done)

    # What came.

    def _reply(self, eol: bytes, loose: bool = False) -> bytes:
        """The next line of the server; C{loose} where how it ends cannot be known."""
        if last := _LAST_WORDS.fullmatch(self._got):
            self._must(self._heard.closed, "a close", last[0])
            raise _Over
        line, found, rest = self._got.partition(b"\n")
        if not found:
            self._ends(owed=True)
        ended = line + b"\n"
        right = ended.endswith(eol) and (eol == b"\r\n" or not ended.endswith(b"\r\n"))
        self._must(right or loose, f"a line that ends in {eol!r}", ended)
        self._got = rest
        return ended.rstrip(b"\r\n") if loose else ended.removesuffix(eol)

    def _closes(self) -> None:
        """The server says no more, whatever was sent."""
        self._must(self._got == b"", "nothing more", self._got)
        self._must(self._heard.closed or not self._heard.listened, "a close", b"")
        raise _Over

    def _ends(self, owed: bool = False, cut: bool = False) -> None:
        """Nothing more was sent, or can be known."""
        if _LAST_WORDS.fullmatch(self._got):
            raise _Over
        if not self._heard.listened:
            raise _Over
        self._must(not owed, "a reply", self._got)
        self._must(not self._got or cut, "nothing more", self._got)
        raise _Over

    def _must_or_end(self, holds: object, what: str) -> None:
        if not holds and not self._heard.listened:
            raise _Over
        if not holds and _LAST_WORDS.fullmatch(self._got):
            raise _Over
        self._must(holds, what, self._got)

    def _must(self, holds: object, what: str, instead: bytes) -> None:
        if not holds:
            done = self._heard.commands[-3:]
            raise Broken(f"{what} was to come, not {instead[:200]!r}; after {done!r}")


def _count(line: bytes, key: bytes) -> int:
    found = re.search(rb" " + key + rb"=(\d+)", line)
    return -1 if found is None else int(found[1])


def _verb(line: bytes) -> tuple[bytes, bytes]:
    line = line.lstrip(b" \t")
    end = min([line.find(blank) for blank in (b" ", b"\t") if blank in line] or [len(line)])
    return line[:end].upper(), line[end + 1 :]


def announced(text: bytes) -> int:
    """The bytes that follow C{UPLOAD name size offset}, whether or not it is taken."""
    arguments = _arguments(text)
    if len(arguments) < 3 or not all(re.fullmatch(rb"[0-9]{1,19}", a) for a in arguments[1:3]):
        return 0
    return max(0, int(arguments[1]) - int(arguments[2]))


def _arguments(text: bytes) -> list[bytes]:
    """The words that are no options, up to the first that cannot be read."""
    found: list[bytes] = []
    rest = text.strip(b" \t")
    while rest:
        word = re.match(rb'(?:([a-z][a-z0-9-]*)=)?(?:"((?:[^"\\]|\\["\\])*)"|([^ \t"]*))', rest)
        assert word is not None
        behind = rest[word.end() :]
        if behind and behind[:1] not in (b" ", b"\t"):
            break
        if word[1] is None or len(found) < 2:
            found.append(re.sub(rb"\\(.)", rb"\1", word[0], flags=re.DOTALL).strip(b'"'))
        rest = behind.lstrip(b" \t")
    return found


def telnet_line(line: bytes, subnegotiating: bool) -> tuple[bytes, bool]:
    if subnegotiating:
        position = 0
        while position < len(line) - 1:
            if line[position] == 0xFF:
                if line[position + 1] == 0xF0:
                    line = line[position + 2 :]
                    break
                position += 1
            position += 1
    stripped, still, _ = without_telnet(line)
    return stripped, still


def without_telnet(line: bytes) -> tuple[bytes, bool, int]:
    """
    C{line} byte by byte without what RFC 854 makes of an 0xFF; whether it ends within a
    subnegotiation; and how many timing marks it asks for.
    """
    out = bytearray()
    position = marks = 0
    while position < len(line):
        byte = line[position]
        position += 1
        if byte != 0xFF:
            out.append(byte)
            continue
        command = line[position] if position < len(line) else None
        if command is None or command < 0xF0:
            continue
        position += 1
        if command == 0xFF:
            out.append(0xFF)
        elif 0xFB <= command <= 0xFE:
            marks += line[position - 2 : position + 1] == b"\xff\xfd\x06"
            position += 1
        elif command == 0xFA:
            end = _end_of_subnegotiation(line, position)
            if end is None:
                return bytes(out), True, marks
            position = end
    return bytes(out), False, marks


def _end_of_subnegotiation(line: bytes, position: int) -> int | None:
    while position < len(line):
        if line[position] != 0xFF:
            position += 1
        elif position + 1 == len(line):
            return None
        elif line[position + 1] == 0xF0:
            return position + 2
        else:
            position += 2
    return None
