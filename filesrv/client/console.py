"""
What the command says and reads: the one place through which text reaches a terminal.
"""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TextIO

__all__ = ["Console", "printable"]


def printable(text: str) -> str:
    """
    C{text} with everything escaped that a terminal would obey instead of showing, or
    that would show as something else: control characters, escape sequences, marks that
    turn the direction of writing, bytes that are no text.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


@dataclass
class Console:
    """
    The three streams of a process, passed in so that tests have their own.

    @ivar quiet: whether only errors are said.
    @ivar as_json: whether what is said on stdout is for programs.
    """

    stdin: TextIO = field(default_factory=lambda: sys.stdin)
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    stderr: TextIO = field(default_factory=lambda: sys.stderr)
    quiet: bool = False
    as_json: bool = False

    def __post_init__(self) -> None:
        for stream in (self.stdout, self.stderr):
            if isinstance(stream, io.TextIOWrapper):
                # A name in a script that the terminal cannot show is shown escaped.
                stream.reconfigure(errors="backslashreplace")

    def line(self, text: str) -> None:
        """
        One line of what was asked for.

        @raise BrokenPipeError: nobody reads it any more.
        """
        self.stdout.write(f"{printable(text)}\n")
        self.stdout.flush()

    def json(self, value: object) -> None:
        """The same for programs."""
        # Escaped beyond ASCII: safe on every terminal, and read back as it was.
        self.stdout.write(f"{json.dumps(value)}\n")
        self.stdout.flush()

    def data(self, data: bytes) -> None:
        """Bytes as they are."""
        raw = getattr(self.stdout, "buffer", None)
        if raw is None:
            self.stdout.write(data.decode("utf-8", "backslashreplace"))
        else:
            self.stdout.flush()
            raw.write(data)
        self.stdout.flush()

    def error(self, text: str) -> None:
        """One line about what went wrong."""
        self.stderr.write(f"filesrv: {printable(text)}\n")
        self.stderr.flush()

    def note(self, text: str) -> None:
        """One line that may be of interest."""
        if not self.quiet:
            self.error(text)

    def let_go(self) -> None:
        """
        Nothing more will be said.  Where nobody reads stdout any more, Python is kept
        from complaining of what it cannot write when it exits.
        """
        try:
            self.stdout.flush()
        except BrokenPipeError:
            with suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.stdout.fileno())
                os.close(nowhere)

    @property
    def shows_progress(self) -> bool:
        """Whether somebody looks at stderr."""
        return not self.quiet and not self.as_json and self.stderr.isatty()
