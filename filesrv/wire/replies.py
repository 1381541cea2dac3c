"""
Replies: ``OK`` with fields, ``ERR`` with a code, and how a client reads them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from filesrv.wire.errors import BY_CODE, BadArguments, FilesrvError
from filesrv.wire.grammar import format_word, number, word_at

__all__ = ["MalformedReply", "Reply", "err", "field_text", "ok", "parse_reply"]

#: Fields without quotes, one blank or more before each: nearly always all that there are.
_PLAIN_FIELDS = re.compile(r'(?: *[a-z][a-z0-9-]*=[^ \t"]*(?= |\Z))*', re.ASCII)

_LINE_ENDINGS = str.maketrans("\r\n", "  ")


class MalformedReply(Exception):
    """The peer answered something that is not of this protocol."""


@dataclass(frozen=True)
class Reply:
    """
    A reply as a client reads it.

    @ivar code: L{None} for ``OK``, else the code behind ``ERR``.
    @ivar fields: the ``key=value`` fields.
    @ivar words: what is said to people.
    """

    code: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    words: str = ""

    @property
    def error(self) -> FilesrvError | None:
        """The refusal, as the exception that the server raised; L{None} for ``OK``."""
        if self.code is None:
            return None
        return BY_CODE.get(self.code, _Unknown.of(self.code))(self.words, **self.fields)

    def count(self, key: str) -> int:
        """
        A field that holds a number.

        @raise MalformedReply: it is missing, or is no number.
        """
        try:
            return number(self.fields.get(key, ""))
        except BadArguments:
            raise MalformedReply(f"the reply lacks the number {key}=") from None


class _Unknown(FilesrvError):
    """A code of a newer server than this client."""

    @classmethod
    def of(cls, code: str) -> type[_Unknown]:
        return type("UnknownCode", (cls,), {"code": code})


def ok(words_for_people: str = "", **fields: object) -> bytes:
    """An ``OK`` line without its ending; a field that is L{None} is left out."""
    return _line("OK", fields, words_for_people)


def err(error: FilesrvError) -> bytes:
    """The ``ERR`` line of a refusal, without its ending."""
    return _line(f"ERR {error.code}", error.fields, error.words)


def _line(start: str, fields: Mapping[str, object], words_for_people: str) -> bytes:
    parts = [start]
    parts += [field_text(key, value) for key, value in fields.items() if value is not None]
    if words_for_people:
        parts.append(words_for_people)
    # A reply is one line, whatever its words were made from.
    line = " ".join(parts)
    if "\n" in line or "\r" in line:
        line = line.translate(_LINE_ENDINGS)
    return line.encode("utf-8", "surrogateescape")


def field_text(key: str, value: object) -> str:
    """``key=value``, the value in quotes where it needs them."""
    if "_" in key:
        key = key.rstrip("_").replace("_", "-")
    return f"{key}={value if type(value) is int else format_word(str(value))}"


def parse_reply(line: bytes) -> Reply:
    """
    Read a reply's first line (its ending removed).

    @raise MalformedReply: neither ``OK`` nor ``ERR CODE``.
    """
    start, _, rest = line.partition(b" ")
    if start == b"OK":
        return Reply(None, *_fields_and_words(rest))
    if start == b"ERR":
        code, _, rest = rest.partition(b" ")
        if code:
            return Reply(code.decode("ascii", "replace"), *_fields_and_words(rest))
    raise MalformedReply("the peer does not speak the filesrv protocol")


def _fields_and_words(rest: bytes) -> tuple[dict[str, str], str]:
    """The fields come first; from the first word that is none, all is for people."""
    text = rest.decode("utf-8", "replace")
    plain = _PLAIN_FIELDS.match(text)
    position = plain.end() if plain else 0
    fields = dict(word.split("=", 1) for word in text[:position].split(" ") if word)
    while position < len(text):
        word, end = word_at(text, position)
        if word is None or word.key is None:
            break
        fields[word.key] = word.text
        position = end
    return fields, text[position:].strip(" ")
