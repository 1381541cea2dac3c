"""
What would keep a daemon from serving: its configuration, and the root.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from filesrv.transfer.meter import format_size
from filesrv.wire.names import STATE_DIRECTORY

__all__ = ["Finding", "check_root"]

#: Bytes that are free below which it is worth a word.
_LITTLE = 1024 * 1024 * 1024

_DATABASES = ("registry.sqlite", "digests.sqlite", "owners.sqlite", "hooks.sqlite")


@dataclass(frozen=True)
class Finding:
    """
    One line of what was found.

    @ivar wrong: whether the daemon would fail over it.
    """

    wrong: bool
    words: str


def check_root(root: str) -> Iterator[Finding]:
    """Whether a directory can be served, by whoever asks."""
    try:
        found = os.stat(root)
    except FileNotFoundError:
        parent = os.path.dirname(os.path.abspath(root))
        makeable = os.access(parent, os.W_OK | os.X_OK)
        yield Finding(not makeable, f"{root} is not there" + (" yet" if makeable else ""))
        return
    except OSError as error:
        yield Finding(True, f"{root}: {error.strerror}")
        return
    if not stat.S_ISDIR(found.st_mode):
        yield Finding(True, f"{root} is no directory")
        return
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(True, f"{root} cannot be written by the user who asks")
        return
    yield _space(root)
    yield from _state(os.path.join(root, STATE_DIRECTORY))


def _space(root: str) -> Finding:
    found = os.statvfs(root)
    free = found.f_bavail * found.f_frsize
    if free == 0:
        return Finding(True, f"{root} has no room left")
    little = ", which is little" if free < _LITTLE else ""
    return Finding(False, f"{root} has {format_size(free)} free{little}")


def _state(state: str) -> Iterator[Finding]:
    if not os.path.isdir(state):
        return
    if os.stat(state).st_mode & 0o077:
        yield Finding(True, f"{state} may be looked into by others; chmod 700 it")
    if not os.access(state, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(True, f"{state} cannot be written by the user who asks")
        return
    if _is_locked(os.path.join(state, "lock")):
        yield Finding(False, "a daemon serves it")
    for name in _DATABASES:
        path = os.path.join(state, name)
        if os.path.exists(path):
            trouble = _trouble_in(path)
            words = "is in order" if trouble is None else f"is damaged: {trouble}"
            yield Finding(trouble is not None, f"{path} {words}")


def _is_locked(path: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _trouble_in(path: str) -> str | None:
    try:
        database = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)
        try:
            ((said,),) = database.execute("PRAGMA integrity_check(1)").fetchall()
        finally:
            database.close()
    except sqlite3.Error as error:
        return str(error)
    return None if said == "ok" else str(said)
