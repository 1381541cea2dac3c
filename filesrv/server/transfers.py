"""
The verbs that move files: UPLOAD with its COMMIT, and DOWNLOAD.

Each has a short way, for a small file of which everything is at hand: it is done within the
call, without waiting for anything.  What is large, has to be waited for, or is to be slowed
down takes the long way, a coroutine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from filesrv.access.rights import Right
from filesrv.server.downloads import RESUME, Download
from filesrv.server.events import Began, Ended
from filesrv.server.port import ConnectionEnded, PayloadCut, Port
from filesrv.server.upload import UNWRITTEN_SIZE, Announced, Upload
from filesrv.store.root import FileStatus
from filesrv.transfer.digest import ALGORITHM
from filesrv.transfer.meter import Meter
from filesrv.transfer.send import Run
from filesrv.wire.endings import Ending
from filesrv.wire.errors import BadArguments, BadOffset
from filesrv.wire.grammar import Command, Quoted, number, words
from filesrv.wire.names import check_name
from filesrv.wire.times import parse_time, utc_time

__all__ = ["announced_payload", "commit", "download", "upload"]

#: What a verb returns: nothing where all is done, else what is still to be awaited.
Pending = Coroutine[Any, Any, None] | None

_DIGEST = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)


def announced_payload(text: bytes) -> int:
    """
    The payload of ``UPLOAD name size offset``, read as far as the words allow, whatever
    is wrong with the rest of the line.
    """
    arguments: list[str] = []
    with suppress(BadArguments):
        for word in words(text):
            if word.key is None or len(arguments) < 2:
                arguments.append(word.positional)
    try:
        return max(0, number(arguments[1]) - number(arguments[2]))
    except (BadArguments, IndexError):
        return 0


def upload(port: Port, command: Command) -> Pending:
    announced = _announced(port, command)
    ask = _choice(command, "commit", ("now", "ask")) == "ask"
    if not _may_be_at_hand(port, announced):
        return _upload(port, announced, ask)
    going = port.shelves.uploads.begin_anew(port.who, announced, _let_go(port))
    payload = port.take(announced.size)
    if payload is None:
        return _receive(port, going, ask)
    with _accounted(port, going) as meter:
        port.reply(offset=going.offset, length=going.length, last=going.last)
        going.write(payload)
        _arrived(port, going, ask)
    _reply_received(port, going, ask, meter)
    return None


def _may_be_at_hand(port: Port, announced: Announced) -> bool:
    if announced.offset != 0 or announced.size > UNWRITTEN_SIZE or port.shelves.limits.paced:
        return False
    # Who has to let go of it may be this very connection, which ends then.
    return not port.shelves.uploads.is_going_on(port.client, announced.name)


async def _upload(port: Port, announced: Announced, ask: bool) -> None:
    uploads = port.shelves.uploads
    going = await uploads.begin(port.who, announced, _let_go(port), port.breathe)
    await _receive(port, going, ask)


async def _receive(port: Port, going: Upload, ask: bool) -> None:
    try:
        with _accounted(port, going) as meter:
            port.reply(offset=going.offset, length=going.length, last=going.last)
            await port.receive(going, going.length)
            _arrived(port, going, ask)
    except PayloadCut:
        stored = going.offset + going.moved
        raise BadOffset("that was not all of it; go on there", stored=stored) from None
    _reply_received(port, going, ask, meter)


def _arrived(port: Port, going: Upload, ask: bool) -> None:
    if ask:
        port.shelves.uploads.park(going)
        port.shelves.draining.arrived(port.who.number, going.claim.row.name)
    else:
        going.publish()


def _reply_received(port: Port, going: Upload, ask: bool, meter: Meter) -> None:
    row = going.claim.row
    stored = None if ask else port.visitor.shown(row.name)
    port.reply(stored=stored, size=row.size, received=meter.moved, **meter.fields())


def _let_go(port: Port) -> Callable[[], None]:
    return lambda: port.end(Ending.TAKEN_OVER)


def _announced(port: Port, command: Command) -> Announced:
    name, offset = check_name(command.arguments[0]), command.argument(2)
    modified = command.options.get("modified")
    exclusive = _choice(command, "if-absent", ("no", "yes")) == "yes"
    return Announced(
        name,
        number(command.arguments[1]),
        None if offset is None else number(offset),
        exclusive or not port.shelves.overwrite or not port.visitor.may(Right.DELETE, name),
        None if modified is None else parse_time(modified),
    )


def commit(port: Port, command: Command) -> Pending:
    name = check_name(command.arguments[0])
    digest = command.options.get(ALGORITHM, "")
    if not _DIGEST.fullmatch(digest):
        raise BadArguments(f"the digest is {ALGORITHM}= and 64 hexadecimal digits")
    port.shelves.draining.settled(port.who.number, name)
    status = port.shelves.uploads.commit_parked(port.who, name, digest)
    if status is None:
        return _commit(port, name, digest)
    _reply_stored(port, name, status)
    return None


async def _commit(port: Port, name: str, digest: str) -> None:
    status = await port.shelves.uploads.commit(port.who, name, digest, port.breathe)
    _reply_stored(port, name, status)


def _reply_stored(port: Port, name: str, status: FileStatus) -> None:
    port.reply(stored=port.visitor.shown(name), size=status.size, version=status.version)


def download(port: Port, command: Command) -> Pending:
    name = check_name(command.arguments[0])
    offset, length = command.argument(1), command.argument(2)
    going = port.shelves.downloads.begin(
        port.client,
        name,
        RESUME if offset == "resume" else number(offset or "0"),
        None if length is None else number(length),
        version=command.options.get("if"),
        delivered=lambda: port.delivered,
        on_taken_over=_let_go(port),
    )
    content = None if port.shelves.limits.paced else going.small_content()
    if content is None:
        return _send(port, going)
    with _accounted(port, going) as meter:
        _reply_promise(port, going, content)
        port.send_at_once(content)
        going.finish()
    port.reply(sent=going.length, **meter.fields())
    return None


async def _send(port: Port, going: Download) -> None:
    with _accounted(port, going) as meter:
        _reply_promise(port, going)
        await port.send(Run(going.file.descriptor, going.offset, going.length))
        going.finish()
    port.reply(sent=going.length, **meter.fields())


def _reply_promise(port: Port, going: Download, content: bytes | None = None) -> None:
    """
    @param content: what will be sent, if it is known already.
    """
    status = going.file.status
    whole = content if going.length == status.size else None
    port.reply(
        "",
        offset=going.offset,
        length=going.length,
        size=status.size,
        version=status.version,
        modified=utc_time(status.modified),
        last=going.last,
        **{ALGORITHM: port.shelves.hashes.at_once(going.claim.row.name, going.file, whole)},
    )


@contextmanager
def _accounted(port: Port, going: Upload | Download) -> Iterator[Meter]:
    """Around a transfer's bytes: measure them, keep what broke, and tell of it."""
    meter = Meter(port.shelves.clock)
    row, who, events = going.claim.row, port.who, port.shelves.events
    what = (who, row.direction, row.name, row.size, going.offset)
    events.publish(Began(*what, going.length, going.again, lambda: going.moved))
    ending: Ending | None = None
    try:
        yield meter
        meter.moved = going.moved
    except BaseException as error:
        meter.moved = going.moved
        ending = error.ending if isinstance(error, ConnectionEnded) else Ending.REFUSED
        going.release(ending)
        raise
    finally:
        port.log(
            "{what} of {name}: {moved} bytes in {seconds:.3f} s, {bitrate}, {how}",
            event="transfer",
            what=row.direction.value,
            name=Quoted(row.name),
            moved=meter.moved,
            seconds=meter.seconds,
            bits_per_second=meter.bits_per_second,
            bitrate=meter.fields()["bitrate"],
            how=ending or "complete",
        )
        events.publish(Ended(*what, meter.moved, meter.seconds, ending))


def _choice(command: Command, option: str, choices: tuple[str, ...]) -> str:
    """The value of an option, the first of its choices where it was left out."""
    value = command.options.get(option, choices[0])
    if value not in choices:
        raise BadArguments(f"{option} is {' or '.join(choices)}")
    return value
