"""
The verbs: one table, and a function for each over a narrow port.

To add one, write its function and its row, its test, and its place in
``docs/protocol.rst``.  Nothing else knows the verbs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from filesrv.access.rights import Right
from filesrv.server.hashing import ALGORITHMS
from filesrv.server.login import login
from filesrv.server.port import Port
from filesrv.server.starttls import starttls
from filesrv.server.transfers import announced_payload, commit, download, upload
from filesrv.store.registry import Direction, Unfinished
from filesrv.store.root import Entry, OpenFile
from filesrv.transfer.digest import ALGORITHM, BLOCK_SIZE, split_digests
from filesrv.wire.errors import (
    BadArguments,
    Denied,
    Exists,
    NotFound,
    UnknownCommand,
)
from filesrv.wire.grammar import Command, Quoted, Syntax, format_word
from filesrv.wire.names import check_name
from filesrv.wire.times import NANOSECONDS, local_time, utc_time

__all__ = ["COMMANDS", "Verb"]


def _no_payload(text: bytes) -> int:
    return 0


@dataclass(frozen=True)
class Verb:
    """
    One row.

    @ivar run: does the work; a coroutine where it takes more than this turn.
    @ivar help: one line for HELP.
    @ivar names: the rights that the first arguments, which are names, need: one of each.
    @ivar open: whether it is there for those, too, who have to log in first.
    @ivar announced: bytes of payload that follow a line without waiting for the reply,
        so that a refusal can skip them.
    """

    run: Callable[[Port, Command], Coroutine[Any, Any, None] | None]
    syntax: Syntax
    help: str
    names: tuple[Right, ...] = ()
    open: bool = False
    announced: Callable[[bytes], int] = _no_payload


def echo(port: Port, command: Command) -> None:
    port.reply_bare(command.text)


def time(port: Port, command: Command) -> None:
    port.reply_bare(local_time(port.shelves.clock.seconds()).encode())


def close(port: Port, command: Command) -> None:
    port.reply("bye")
    port.close()


async def help(port: Port, command: Command) -> None:
    asked = command.argument(0)
    if asked is not None and asked.upper() not in COMMANDS:
        raise UnknownCommand
    rows = COMMANDS if asked is None else {asked.upper(): COMMANDS[asked.upper()]}
    await port.reply_lines(f"{row.syntax.usage(verb)} - {row.help}" for verb, row in rows.items())


_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)


def hello(port: Port, command: Command) -> None:
    (token,) = command.arguments
    if not _TOKEN.fullmatch(token):
        raise BadArguments("a token is 16 to 64 of A-Z a-z 0-9 _ -")
    port.identify(token)
    port.reply(client=port.client)


async def list_(port: Port, command: Command) -> None:
    entries: list[Entry] = []
    for entry in port.shelves.root.list(command.arguments[0]):
        needed = Right.LIST if entry.size is not None else Right.LIST | Right.PASS
        if port.visitor.may(needed, entry.name):
            entries.append(entry)
        await port.breathe()
    entries.sort(key=lambda entry: entry.name)
    await port.reply_lines(_entry_line(port, entry) for entry in entries)


def _entry_line(port: Port, entry: Entry) -> str:
    size = "-" if entry.size is None else entry.size
    return f"{size} {utc_time(entry.modified)} {format_word(port.visitor.shown(entry.name))}"


def stat(port: Port, command: Command) -> None:
    name = check_name(command.arguments[0])
    unfinished = port.shelves.uploads.status(port.client, name)
    try:
        port.visitor.require(Right.READ | Right.LIST, name)
        status = port.shelves.root.status(name)
    except (Denied, NotFound):
        if unfinished is None:
            raise
        status = unfinished[1]
    port.reply(
        size=status.size,
        modified=utc_time(status.modified),
        version=status.version,
        stored=unfinished and unfinished[0],
    )


async def pending(port: Port, command: Command) -> None:
    home = port.visitor.home
    rows = port.shelves.registry.of_client(port.client)
    lines = [_pending_line(port, row) for row in rows if row.name.startswith(home)]
    await port.reply_lines(lines)


def _pending_line(port: Port, row: Unfinished) -> str:
    upload = row.direction is Direction.UPLOAD
    offset = port.shelves.uploads.size(row) if upload else row.delivered
    expires = utc_time(int(port.shelves.registry.expires(row)) * NANOSECONDS)
    name = format_word(port.visitor.shown(row.name))
    line = f"{row.direction.value} {offset} {row.size} {expires} {name}"
    return line if row.ended is None else f"{line} last={row.ended}"


def discard(port: Port, command: Command) -> None:
    port.shelves.uploads.forget(port.client, check_name(command.arguments[0]))
    port.reply()


def delete(port: Port, command: Command) -> None:
    (name,) = command.arguments
    _check_unchanging(port, name)
    port.shelves.delete(name)
    port.log("deleted {name}", event="deleted", name=Quoted(name))
    port.reply()


def rename(port: Port, command: Command) -> None:
    old, new = command.arguments
    _check_unchanging(port, old)
    port.visitor.check_move(old, new)
    if not port.visitor.may(Right.DELETE, new):
        port.shelves.root.check_target(new.removesuffix("/"), replace=False)
    port.shelves.rename(old, new)
    port.log("renamed {name} to {new}", event="renamed", name=Quoted(old), new=Quoted(new))
    port.reply()


def _check_unchanging(port: Port, name: str) -> None:
    """With C{--no-overwrite} what is published stays as it is."""
    if not port.shelves.overwrite:
        port.shelves.root.check_present(name)
        raise Exists("this server does not change what is published")


async def hash_(port: Port, command: Command) -> None:
    name = check_name(command.arguments[0])
    algorithm = command.argument(1) or "sha256"
    if algorithm not in ALGORITHMS:
        raise BadArguments(f"the algorithms are {' '.join(ALGORITHMS)}")
    with _reading(port, name) as file:
        digest = await port.shelves.hashes.digest(name, file, algorithm, port.breathe)
        port.reply(**{algorithm: digest}, size=file.status.size)


@contextmanager
def _reading(port: Port, name: str) -> Iterator[OpenFile]:
    """A file that is read for long, and so counts as a transfer."""
    with port.shelves.downloads.slots.taken(port.client), port.shelves.root.open(name) as file:
        yield file


async def sums(port: Port, command: Command) -> None:
    name = check_name(command.arguments[0])
    blocks = await port.shelves.uploads.sums(port.client, name, port.breathe)
    if blocks is None:
        port.visitor.require(Right.READ, name)
        with _reading(port, name) as file:
            blocks = await port.shelves.hashes.blocks(name, file, port.breathe)
    await port.reply_lines((digest.hex() for digest in split_digests(blocks)), block=BLOCK_SIZE)


COMMANDS: dict[str, Verb] = {
    "ECHO": Verb(echo, Syntax(("text",), bare=True), "answers the text as it came", open=True),
    "TIME": Verb(time, Syntax(), "the server's time", open=True),
    "CLOSE": Verb(close, Syntax(), "closes the connection", open=True),
    "EXIT": Verb(close, Syntax(), "closes the connection", open=True),
    "QUIT": Verb(close, Syntax(), "closes the connection", open=True),
    "HELP": Verb(help, Syntax((), ("command",)), "this list, or one line of it", open=True),
    "HELLO": Verb(hello, Syntax(("token",)), "who this client is, whatever its address", open=True),
    "LOGIN": Verb(login, Syntax(("user", "password")), "who you are", open=True),
    "STARTTLS": Verb(starttls, Syntax(), "goes on under TLS", open=True),
    "LIST": Verb(
        list_,
        Syntax((), ("directory",)),
        "files: size, time modified, name",
        (Right.LIST | Right.PASS,),
    ),
    "STAT": Verb(
        stat,
        Syntax(("name",)),
        "size, time modified and version of a file",
        # Who sends a file asks how much of it is here.
        (Right.READ | Right.LIST | Right.WRITE,),
    ),
    "UPLOAD": Verb(
        upload,
        Syntax(("name", "size"), ("offset",), ("if-absent", "commit", "modified")),
        "sends a file: wait for OK, then send the bytes from its offset on",
        (Right.WRITE,),
        announced=announced_payload,
    ),
    "DOWNLOAD": Verb(
        download,
        Syntax(("name",), ("offset", "length"), ("if",)),
        "fetches a file; offset resume goes on where the connection broke",
        (Right.READ,),
    ),
    "COMMIT": Verb(
        commit,
        Syntax(("name",), (), (ALGORITHM,)),
        "publishes what was uploaded with commit=ask, if the digest agrees",
        (Right.WRITE,),
    ),
    "PENDING": Verb(pending, Syntax(), "your unfinished transfers"),
    "DISCARD": Verb(discard, Syntax(("name",)), "forgets your unfinished upload", (Right.WRITE,)),
    "DELETE": Verb(delete, Syntax(("name",)), "deletes a file", (Right.DELETE,)),
    "RENAME": Verb(
        rename, Syntax(("name", "name")), "gives a file another name", (Right.DELETE, Right.WRITE)
    ),
    "HASH": Verb(
        hash_, Syntax(("name",), ("algorithm",)), "sha256, blake3 or blake3-4m", (Right.READ,)
    ),
    "SUMS": Verb(
        sums,
        Syntax(("name",)),
        "the digest of each block of 4 MiB",
        # Of an upload that is not finished, or of a file.
        (Right.READ | Right.WRITE,),
    ),
}
