"""What is tried: each module has C{check(data)}, and names what of filesrv is instrumented."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["NAMES", "Target", "load"]

#: In the order in which they are run.
NAMES = (
    *("grammar", "telnet", "proxy", "replies", "files"),
    *("session", "login", "limits", "payload", "download"),
)


class Target(NamedTuple):
    """
    @ivar check: raises where a promise is broken.
    """

    name: str
    check: Callable[[bytes], None]


def load(name: str) -> Target:
    """
    @raise KeyError: there is none of that name.
    """
    if name not in NAMES:
        raise KeyError(name)
    return Target(name, importlib.import_module(f"fuzz.targets.{name}").check)
