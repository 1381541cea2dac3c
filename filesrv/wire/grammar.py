"""
Bytes to commands and back: words, quotes, options, numbers.

A command is a verb and words.  A word in double quotes may hold blanks, and is never
an option; ``key=value`` and ``key="quoted value"`` are options where the verb has
some, and fields in a reply.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from filesrv.wire.errors import BadArguments

__all__ = [
    "MAX_LINE",
    "MAX_NUMBER",
    "Command",
    "Quoted",
    "Syntax",
    "Word",
    "format_command",
    "format_word",
    "number",
    "split_verb",
    "word_at",
    "words",
]

#: Bytes of a command without its line ending.  RFC 5321 allows SMTP 512, HTTP servers
#: take 8 KiB; 4 KiB holds the longest name with every byte escaped, and two of the
#: longest that need no more than a few escapes.
MAX_LINE = 4096

#: The largest size and offset: what off_t, and an SQLite integer, can hold.
MAX_NUMBER = 2**63 - 1

_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)

_BLANKS = re.compile(r"[ \t]*", re.ASCII)
# The blanks before a word are no part of this pattern: giving some of them back, it
# would find an empty word before a broken one, for ever at the same place.
_WORD = re.compile(
    r"(?:(?P<key>[a-z][a-z0-9-]*)=)?"
    r'(?:"(?P<quoted>(?:[^"\\]|\\["\\])*)"|(?P<bare>[^ \t"]*))(?=[ \t]|\Z)',
    re.ASCII | re.DOTALL,
)
_KEY = re.compile(r"[a-z][a-z0-9-]*", re.ASCII)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
# A CR too, for the one at the end of a line would be taken for a part of its ending.
_NEEDS_QUOTES = re.compile(r'[ \t\r"\\=]|\A\Z')


class Word(NamedTuple):
    """One word of a line: perhaps a key, the text, and whether it stood in quotes."""

    key: str | None
    text: str
    quoted: bool

    @property
    def positional(self) -> str:
        """The word as an argument, its ``key=`` being part of the text."""
        return self.text if self.key is None else f"{self.key}={self.text}"


_NONE: Mapping[str, str] = MappingProxyType({})


class Command(NamedTuple):
    """
    One command, its words put where its verb's L{Syntax} wants them.

    @ivar verb: in capitals.
    @ivar arguments: the positional words.
    @ivar options: the ``option=value`` words.
    @ivar text: every byte after the blank that ends the verb.
    """

    verb: str
    arguments: tuple[str, ...] = ()
    options: Mapping[str, str] = _NONE
    text: bytes = b""

    def argument(self, index: int) -> str | None:
        """The positional word at C{index}, or L{None} where it was left out."""
        return self.arguments[index] if index < len(self.arguments) else None


@dataclass(frozen=True)
class Syntax:
    """
    Which words a verb takes.

    @ivar required: what the words are that must be there, for the help.
    @ivar optional: those that may follow.
    @ivar options: the keys that may be given as ``key=value``.
    @ivar bare: whether the verb takes its text as it came (ECHO).
    """

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    bare: bool = False

    def bind(self, verb: str, text: bytes) -> Command:
        """
        Sort the words of C{text} into arguments and options.

        @raise BadArguments: too few or too many, an unknown option, a broken quote.
        """
        if self.bare:
            return Command(verb, (), _NONE, text)
        arguments: list[str] = []
        options: dict[str, str] = {}
        for word in words(text):
            if word.key is None or len(arguments) < len(self.required):
                arguments.append(word.positional)
            elif word.key not in self.options or word.key in options:
                raise BadArguments(f"usage: {self.usage(verb)}")
            else:
                options[word.key] = word.text
        if not len(self.required) <= len(arguments) <= len(self.required + self.optional):
            raise BadArguments(f"usage: {self.usage(verb)}")
        return Command(verb, tuple(arguments), options, text)

    def usage(self, verb: str) -> str:
        """The command in one line, for HELP and for refusals."""
        parts = [verb, *self.required]
        parts += [f"[{word}]" for word in self.optional]
        parts += [f"[{key}=...]" for key in self.options]
        return " ".join(parts)


def split_verb(line: bytes) -> tuple[str, bytes]:
    """
    The verb of a line in capitals, and every byte after the one blank behind it.

    Blanks before the verb are dropped, so that a line of blanks is as empty as it looks
    and has the verb C{""}.  A verb that is not ASCII is returned as something that no
    table holds.
    """
    start, _, text = line.partition(b" ")
    verb = _capitals(start)
    if verb is None:
        line = line.lstrip(b" \t")
        start, _, text = line.partition(b"\t" if b"\t" in line.partition(b" ")[0] else b" ")
        verb = _capitals(start) or ""
    return verb, text


@lru_cache(maxsize=256)  # There are few verbs; of what is none, no more is kept than that.
def _capitals(verb: bytes) -> str | None:
    """L{None} where nothing stands in front of a blank, or a tab ends the verb before."""
    if not verb or b"\t" in verb:
        return None
    return verb.decode("ascii", "replace").upper()


def words(text: bytes) -> Iterator[Word]:
    """
    The words of C{text}, one after the other.

    Bytes that are not UTF-8 become lone surrogates, which no name may hold.

    @raise BadArguments: where a quote is not closed, or stands inside a word.
    """
    line = text.decode("utf-8", "surrogateescape").rstrip(" \t")
    if '"' not in line:  # as most lines are, and then blanks alone part the words
        yield from (_plain(part) for part in line.replace("\t", " ").split(" ") if part)
        return
    position = 0
    while position < len(line):
        word, position = word_at(line, position)
        if word is None:
            raise BadArguments("a quote is not closed, or stands inside a word")
        yield word


def _plain(part: str) -> Word:
    """The word that is written C{part}, in which there are neither blanks nor quotes."""
    key, found, text = part.partition("=")
    if found and _KEY.fullmatch(key):
        return Word(key, text, quoted=False)
    return Word(None, part, quoted=False)


def word_at(line: str, position: int) -> tuple[Word | None, int]:
    """
    The word that starts at C{position} or behind the blanks there, and where it ends;
    L{None} where no word can be read.
    """
    blanks = _BLANKS.match(line, position)
    match = _WORD.match(line, blanks.end() if blanks else position)
    if match is None:
        return None, position
    if match["quoted"] is None:
        return Word(match["key"], match["bare"], quoted=False), match.end()
    return Word(match["key"], _ESCAPED.sub(r"\1", match["quoted"]), quoted=True), match.end()


def number(text: str) -> int:
    """
    A count of bytes.

    @raise BadArguments: anything but one to nineteen digits 0 to 9.  C{int} would also
        take signs, underscores, blanks and the digits of other scripts.
    """
    if not _NUMBER.fullmatch(text):
        raise BadArguments("a number is one to nineteen digits")
    return int(text)


def format_word(text: str) -> str:
    """C{text} as one word that L{words} reads back as it was, in quotes where needed."""
    if not _NEEDS_QUOTES.search(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class Quoted(str):
    """A text that is formatted as one word, and remains what it was for programs."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return format(format_word(str(self)), spec)


def format_command(verb: str, *arguments: object, **options: object) -> bytes:
    """
    A command line without its ending.  An option that is L{None} is left out, and an
    underscore in its name stands for the wire's hyphen.

    @raise BadArguments: a word holds an LF; what stood behind it would be a command too.
    """
    parts = [verb]
    parts += [format_word(str(argument)) for argument in arguments]
    parts += [
        f"{key.rstrip('_').replace('_', '-')}={format_word(str(value))}"
        for key, value in options.items()
        if value is not None
    ]
    line = " ".join(parts)
    if "\n" in line:
        raise BadArguments("a command is one line")
    return line.encode("utf-8", "surrogateescape")
