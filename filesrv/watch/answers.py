"""
What an administrator may ask, one table, and the answers as plain values.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

from twisted.internet.task import Cooperator

from filesrv import __version__
from filesrv.server.events import Who
from filesrv.server.phases import Phase
from filesrv.server.session import Session
from filesrv.server.shelves import Shelves
from filesrv.store.registry import Direction, Unfinished
from filesrv.watch.ledger import Ledger, Present, Running
from filesrv.watch.shown import shown_client
from filesrv.watch.survey import soon, survey, unfinished
from filesrv.wire.endings import Ending
from filesrv.wire.errors import FilesrvError, ShuttingDown

__all__ = ["REQUESTS", "Desk", "NotUnderstood"]

Values = dict[str, Any]

#: Digits of an upload's id that are shown; any beginning that is only one's is understood.
SHOWN_ID = 8

_USER = "user:"


class NotUnderstood(Exception):
    """What was asked for cannot be done; the words are for the administrator."""


@dataclass(frozen=True)
class Desk:
    """
    What answers are made of.

    @ivar connections: those that are open.
    @ivar since: when the daemon started, in seconds since the epoch, like all times here.
    """

    shelves: Shelves
    ledger: Ledger
    connections: Callable[[], list[Session]]
    root: str
    since: float

    @property
    def now(self) -> float:
        return self.shelves.clock.seconds()

    def open_sessions(self) -> list[Session]:
        """Without those to whom the last word has been said."""
        return [one for one in self.connections() if one.phase is not Phase.CLOSING]


async def status(desk: Desk, asked: Values) -> Values:
    found = await survey(desk.shelves)
    running = [_running(desk, one) for one in desk.ledger.look()]
    moved = dict(desk.ledger.moved)
    for one in desk.ledger.look():
        moved[one.began.direction] += one.moved
    return {
        "version": __version__,
        "pid": os.getpid(),
        "root": desk.root,
        "now": desk.now,
        "since": desk.since,
        "draining": desk.shelves.draining.on,
        "connections": len(desk.ledger.present),
        "moved": {direction.value: count for direction, count in moved.items()},
        "unfinished": {"uploads": found.uploads, "bytes": found.bytes, "oldest": found.oldest},
        "running": running,
    }


async def transfers(desk: Desk, asked: Values) -> Values:
    waiting: list[Values] = []
    cooperator = Cooperator(scheduler=soon(desk.shelves.clock))
    await cooperator.coiterate(_list_unfinished(desk, waiting))
    return {
        "now": desk.now,
        "running": [_running(desk, one) for one in desk.ledger.look()],
        "unfinished": sorted(waiting, key=lambda one: float(one["touched"])),
    }


def _list_unfinished(desk: Desk, found: list[Values]) -> Iterator[None]:
    for row in unfinished(desk.shelves):
        if row is None:
            yield
        else:
            found.append(_waiting(desk, row))


def _waiting(desk: Desk, row: Unfinished) -> Values:
    upload = row.direction is Direction.UPLOAD
    return {
        "id": row.id[:SHOWN_ID],
        "direction": row.direction.value,
        "name": row.name,
        "size": row.size,
        "position": desk.shelves.uploads.partials.size(row.id) if upload else row.delivered,
        "client": shown_client(row.client),
        "touched": row.touched,
        "expires": desk.shelves.registry.expires(row),
        "ended": None if row.ended is None else row.ended.value,
    }


async def clients(desk: Desk, asked: Values) -> Values:
    found = []
    for session in desk.open_sessions():
        present = desk.ledger.present.get(session.number)
        if present is not None:
            found.append(_present(session.who, present))
    return {"now": desk.now, "clients": sorted(found, key=lambda one: int(one["connection"]))}


async def kick(desk: Desk, asked: Values) -> Values:
    target = str(asked.get("target", ""))
    ended = [session for session in desk.open_sessions() if target in _handles(session.who)]
    if not ended:
        raise NotUnderstood(f"nobody is connected as {target}")
    words = "an administrator ended this connection; what arrived is kept"
    for session in ended:
        session.end(Ending.KICKED, ShuttingDown(words))
    return {"ended": len(ended)}


async def discard(desk: Desk, asked: Values) -> Values:
    row = _chosen(desk, asked)
    if row.direction is Direction.UPLOAD:
        desk.shelves.uploads.forget(row.client, row.name)
    else:
        desk.shelves.registry.take_over(*row.key)
        desk.shelves.registry.forget(row)
    return {"name": row.name, "client": shown_client(row.client)}


def _chosen(desk: Desk, asked: Values) -> Unfinished:
    """By the beginning of its id, or by client and name."""
    id, client, name = (str(asked.get(key, "")) for key in ("id", "client", "name"))
    registry = desk.shelves.registry
    if id:
        found = registry.with_id(id)
        words = f"no unfinished transfer has an id that begins with {id}"
    else:
        keys = (client, _USER + client)
        rows = (registry.find(key, name, Direction.UPLOAD) for key in keys)
        found = [row for row in rows if row is not None]
        words = f"{shown_client(client)} has no unfinished upload of {name}"
    if not found:
        raise NotUnderstood(words)
    if len(found) > 1:
        raise NotUnderstood("there are several; give more of the id")
    return found[0]


def _handles(who: Who) -> set[str]:
    """What an administrator may call a connection."""
    return {str(who.number), who.address, who.client} | ({who.user} if who.user else set())


def _whose(who: Who) -> Values:
    return {
        "connection": who.number,
        "client": shown_client(who.client),
        "user": who.user,
        "peer": who.peer,
    }


def _present(who: Who, present: Present) -> Values:
    running = present.running
    moved = present.moved + (0 if running is None else running.began.moved())
    name = None if running is None else running.began.name
    return _whose(who) | {"since": present.since, "moved": moved, "running": name}


def _running(desk: Desk, running: Running) -> Values:
    began = running.began
    return _whose(began.who) | {
        "direction": began.direction.value,
        "name": began.name,
        "size": began.size,
        "offset": began.offset,
        "position": running.position,
        "since": running.since,
        "rate": running.rate,
        "still": desk.now - running.progress,
    }


#: Each word that may be asked with, and what answers.
REQUESTS: dict[str, Callable[[Desk, Values], Coroutine[Any, Any, Values]]] = {
    "status": status,
    "transfers": transfers,
    "clients": clients,
    "kick": kick,
    "discard": discard,
}


async def answer(desk: Desk, asked: Values) -> Values:
    """
    @raise NotUnderstood: that cannot be done.
    """
    request = REQUESTS.get(str(asked.get("ask")))
    if request is None:
        raise NotUnderstood("this daemon does not know that request")
    try:
        return await request(desk, asked)
    except FilesrvError as error:
        raise NotUnderstood(error.words) from error
