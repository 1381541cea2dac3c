"""
All that the connections of one daemon share, and how it is opened and closed.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from math import inf

from twisted.internet.interfaces import IReactorTime

from filesrv.access.access import Access
from filesrv.server.downloads import Downloads
from filesrv.server.draining import Draining
from filesrv.server.events import Events
from filesrv.server.hashing import Hashes
from filesrv.server.limits import DEFAULTS, Limits
from filesrv.server.quota import Quota
from filesrv.server.slots import Slots
from filesrv.server.uploads import Uploads
from filesrv.store.freeing import Freeing
from filesrv.store.known import KnownDigests
from filesrv.store.owners import Owners
from filesrv.store.partials import Partials
from filesrv.store.registry import Registry
from filesrv.store.root import Root
from filesrv.wire.names import STATE_DIRECTORY

__all__ = ["CannotOpen", "Shelves", "open_shelves"]


class CannotOpen(Exception):
    """The root cannot be served; the words are for the administrator."""


@dataclass(frozen=True)
class Shelves:
    """
    @ivar events: what happens, for those who look on.
    @ivar draining: what may still be done when the daemon stops.
    @ivar access: who may do what.
    @ivar limits: how much of it clients may have.
    @ivar quota: how much of the disk they have.
    @ivar overwrite: whether what is published may be changed.
    @ivar lock: the descriptor that keeps a second daemon off the root.
    """

    clock: IReactorTime
    root: Root
    registry: Registry
    uploads: Uploads
    downloads: Downloads
    hashes: Hashes
    events: Events
    draining: Draining
    access: Access
    limits: Limits
    quota: Quota
    overwrite: bool
    lock: int

    def make_home(self, user: str | None) -> None:
        """
        Make sure that there is the directory where a user's names are.

        @raise FilesrvError: the disk does not take it.
        """
        home = self.access.home(user)
        if home:
            self.root.make_directory(home.removesuffix("/"))

    def delete(self, name: str) -> None:
        """As L{Root.delete}; whoever published it may keep more from here on."""
        with self.quota.losing(name):
            self.root.delete(name)

    def rename(self, old: str, new: str) -> None:
        """As L{Root.rename}; who published the file has it still."""
        old_name, new_name = old.removesuffix("/"), new.removesuffix("/")
        if old_name == new_name:
            self.root.rename(old, new)
            return
        with self.quota.losing(new_name):
            self.root.rename(old, new)
        self.quota.renamed(old_name, new_name)

    def tidy(self) -> None:
        """On start: clean up after a crash."""
        self.uploads.tidy()
        self.hashes.known.tidy()

    def record(self) -> None:
        """Every few seconds: write down how far the transfers are, and hold nothing idle."""
        self.uploads.record()
        self.downloads.record()
        self.root.rest()

    def close(self) -> None:
        """Let go of everything; no connection may be left."""
        self.registry.close()
        self.hashes.known.close()
        self.quota.close()
        self.uploads.partials.close()
        self.root.close()
        self.root.freeing.close()
        os.close(self.lock)


def open_shelves(
    path: str,
    clock: IReactorTime,
    *,
    keep: float,
    overwrite: bool = True,
    durable: bool = True,
    access: Access | None = None,
    limits: Limits = DEFAULTS,
) -> Shelves:
    """
    Open a root, making what is missing and cleaning up after a crash.

    @param keep: seconds after which unfinished transfers expire.
    @param access: who may do what; everybody everything, if it is left out.
    @raise CannotOpen: it cannot be written, or another daemon serves it.
    """
    with ExitStack() as opened:
        stores = _open_stores(opened, path, clock, keep, durable, limits)
        root, registry, quota = stores.root, stores.registry, stores.quota
        hashes, events, slots = Hashes(stores.known), Events(), Slots(limits)
        uploads = Uploads(clock, root, stores.partials, registry, hashes, events, quota, slots)
        downloads = Downloads(root, registry, slots)
        access = Access() if access is None else access
        draining = Draining(events)
        shelves = Shelves(
            *(clock, root, registry, uploads, downloads, hashes, events, draining),
            *(access, limits, quota, overwrite, stores.lock),
        )
        _free_between_events(root.freeing, clock)
        shelves.tidy()
        if access.anonymous:
            shelves.make_home(None)
        opened.pop_all()
        return shelves


@dataclass(frozen=True)
class _Stores:
    """What is kept on disk, and the lock on it."""

    lock: int
    root: Root
    partials: Partials
    registry: Registry
    known: KnownDigests
    quota: Quota


def _open_stores(
    opened: ExitStack, path: str, clock: IReactorTime, keep: float, durable: bool, limits: Limits
) -> _Stores:
    """
    @param opened: closes them again.
    """
    state = os.path.join(path, STATE_DIRECTORY)
    with _plainly(path, state):
        os.makedirs(path, exist_ok=True)
        _make_private(state)
        lock = _lock(os.path.join(state, "lock"))
        opened.callback(os.close, lock)
        freeing = opened.enter_context(closing(Freeing()))
        root = opened.enter_context(closing(Root(path, durable, freeing)))
        place = os.path.join(state, "partial")
        partials = opened.enter_context(closing(Partials(place, durable, freeing)))
        file = os.path.join(state, "registry.sqlite")
        registry = opened.enter_context(closing(Registry(file, clock, keep)))
        file = os.path.join(state, "digests.sqlite")
        known = opened.enter_context(closing(KnownDigests(file, clock)))
        owners = None
        if limits.quota_per_client != inf:
            file = os.path.join(state, "owners.sqlite")
            owners = opened.enter_context(closing(Owners(file)))
        quota = Quota(limits, root, owners)
        quota.measure(path)
    return _Stores(lock, root, partials, registry, known, quota)


@contextmanager
def _plainly(path: str, state: str) -> Iterator[None]:
    """What cannot be opened, in words for the administrator."""
    try:
        yield
    except BlockingIOError:
        raise CannotOpen(f"another filesrv serves {path}") from None
    except OSError as error:
        raise CannotOpen(f"cannot keep files in {path}: {error.strerror}") from error
    except sqlite3.Error as error:
        raise CannotOpen(f"cannot open the registry in {state}: {error}") from error


def _free_between_events(freeing: Freeing, clock: IReactorTime) -> None:
    def step() -> None:
        if freeing.step():
            clock.callLater(0, step)

    freeing.on_work = lambda: clock.callLater(0, step)


def _make_private(state: str) -> None:
    """
    Make the directory of what nobody else may see; one that is there becomes that.

    @raise OSError: it cannot be made, or is no directory; a link to one, which somebody
        may have put there, is none.
    """
    with suppress(FileExistsError):
        os.mkdir(state, 0o700)
    descriptor = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)


def _lock(path: str) -> int:
    """
    @raise BlockingIOError: somebody else has it (flock(2)).
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
