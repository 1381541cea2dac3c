"""
C{filesrv-admin status} on a terminal: a picture a second, until somebody types q.
"""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from filesrv.admin.tables import heading, running_table
from filesrv.watch.shown import shown_text

__all__ = ["picture", "watch"]

#: Seconds between two pictures.
EVERY = 1.0


def picture(status: dict[str, Any], *more: str) -> Group:
    """All of it once."""
    lines = [Text(shown_text(line), no_wrap=True, overflow="ellipsis") for line in heading(status)]
    if status["running"]:
        return Group(*lines, Text(), running_table(status), *map(Text, more))
    return Group(*lines, *map(Text, more))


def watch(console: Console, ask: Callable[[], dict[str, Any]]) -> None:
    """
    Show pictures until somebody types q or Ctrl-C.

    Nothing refreshes them but this loop: a live display of the usual kind would start a
    thread.
    """
    with (
        _keys() as keys,
        Live(console=console, screen=True, auto_refresh=False, redirect_stderr=False) as live,
    ):
        while True:
            live.update(picture(ask(), "", "q ends this"), refresh=True)
            ready, _, _ = select.select([keys], [], [], EVERY)
            if ready and os.read(keys, 64).lower()[:1] in (b"q", b"\x03", b""):
                return


@contextmanager
def _keys() -> Iterator[int]:
    """The terminal as it gives each key at once, and unseen."""
    keys = sys.stdin.fileno()
    before = termios.tcgetattr(keys)
    try:
        tty.setcbreak(keys)
        yield keys
    finally:
        termios.tcsetattr(keys, termios.TCSADRAIN, before)
