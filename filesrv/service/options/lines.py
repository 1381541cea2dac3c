"""
On which line of a TOML file a key stands: the parser of the standard library says that of
syntax errors alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["Key", "lines_of"]

#: A key with the tables that it is in, from the outermost.
Key = tuple[str, ...]

#: What a valid file consists of (toml.io, v1.0.0).  Strings of several lines come first:
#: each also begins like an empty one.
_TOKEN = re.compile(
    r"""
      (?P<comment>\#[^\n]*)
    | (?P<text>\"\"\"(?:\\.|[^\\])*?\"{3,5} | '''.*?'{3,5} | "(?:\\.|[^"\\\n])*" | '[^'\n]*')
    | (?P<newline>\n)
    | (?P<mark>[][{}=.,])
    | (?P<bare>[^\s\#"'\[\]{}=.,]+)
    """,
    re.VERBOSE | re.DOTALL,
)


def lines_of(text: str) -> dict[Key, list[int]]:
    """
    The lines of all keys and tables of a valid file, counted from 1; a key whose value is
    an array has the lines of its elements behind its own.
    """
    found: dict[Key, list[int]] = {}
    table: Key = ()
    for tokens in _statements(text):
        (kind, first, line), *rest = tokens
        if (kind, first) == ("mark", "["):
            table = _key(rest, "]")
            found[table] = [line]
        else:
            found[table + _key(tokens, "=")] = [line, *_elements(tokens)]
    return found


_Token = tuple[str, str, int]


def _statements(text: str) -> Iterator[list[_Token]]:
    """The tokens between line ends that are in no bracket, each with its line."""
    tokens: list[_Token] = []
    depth, line = 0, 1
    for match in _TOKEN.finditer(text):
        kind, word = str(match.lastgroup), match[0]
        if kind == "mark":
            depth += (word in "[{") - (word in "]}")
        if kind == "newline" and depth == 0 and tokens:
            yield tokens
            tokens = []
        elif kind not in ("newline", "comment"):
            tokens.append((kind, word, line))
        line += word.count("\n")
    if tokens:
        yield tokens


def _key(tokens: list[_Token], end: str) -> Key:
    words: list[str] = []
    for kind, word, _ in tokens:
        if (kind, word) == ("mark", end):
            break
        if kind != "mark":
            words.append(word.strip("\"'"))
    return tuple(words)


def _elements(tokens: list[_Token]) -> Iterator[int]:
    """The lines of the elements of an array of texts or numbers."""
    marks = [word for kind, word, _ in tokens if kind == "mark" and word in "=["]
    value = marks[:2] == ["=", "["]
    behind = False
    for kind, word, line in tokens if value else ():
        if behind and kind != "mark":
            yield line
        behind = (kind, word) in (("mark", "["), ("mark", ","))
