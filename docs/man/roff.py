"""
Pages of man(7), as much of it as a page that lists options needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["Page"]


def _escaped(text: str) -> str:
    """Text of a person as roff takes it (groff(7), Single-Character Escapes)."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


def _marked(text: str) -> str:
    """Text whose ``literals`` are bold."""
    parts = text.split("``")
    return "".join(f"\\fB{_escaped(p)}\\fR" if i % 2 else _escaped(p) for i, p in enumerate(parts))


class Page:
    """
    One page, written from its top to its end.

    @ivar name: of what it is about.
    @ivar section: 1 for commands, 8 for daemons (man(1)).
    """

    def __init__(self, name: str, section: int, version: str, summary: str) -> None:
        self.name = name
        self.section = section
        self._lines = [
            f'.TH {_escaped(name.upper())} {section} "" "filesrv {version}"',
            ".SH NAME",
            f"{_escaped(name)} \\- {_escaped(summary)}",
        ]

    def heading(self, title: str) -> None:
        """A section of the page."""
        self._lines.append(f".SH {title.upper()}")

    def subheading(self, title: str) -> None:
        """A section within a section."""
        self._lines.append(f'.SS "{_escaped(title)}"')

    def usage(self, program: str, rest: str) -> None:
        """How it is called."""
        self._lines += [f".B {_escaped(program)}", _escaped(rest)]

    def paragraphs(self, text: str) -> None:
        """Text as a docstring has it: empty lines part its paragraphs."""
        for paragraph in re.split(r"\n\s*\n", text.strip()):
            self._lines += [".PP", _marked(" ".join(paragraph.split()))]

    def terms(self, rows: Iterable[tuple[str, str]]) -> None:
        """Each term in bold, and below it what it means."""
        for term, meaning in rows:
            self._lines += [".TP", f"\\fB{_escaped(term)}\\fR", _marked(" ".join(meaning.split()))]

    def see_also(self, pages: Sequence[str]) -> None:
        """References such as ``filesrv(1)``."""
        self.heading("See also")
        bold = [
            re.sub(r"(.*)(\(\d\))", r"\\fB\1\\fR\2", page.replace("-", "\\-")) for page in pages
        ]
        self._lines.append(", ".join(bold))

    def text(self) -> str:
        """The whole page."""
        return "\n".join(self._lines) + "\n"
