"""
The commands that ask a single question and print the answer.
"""

from __future__ import annotations

from typing import Any

from filesrv.client.answers import Entry
from filesrv.client.session import Session
from filesrv.wire.grammar import format_word
from filesrv.wire.times import NANOSECONDS, local_time

__all__ = [
    "delete",
    "discard",
    "echo",
    "hash_of",
    "listing",
    "pending",
    "rename",
    "server_help",
    "server_time",
    "status",
]


async def listing(session: Session, directories: tuple[str, ...]) -> None:
    """What is in directories, like C{ls -l}."""
    connection = await session.connection()
    entries: list[Entry] = []
    for directory in directories or ("",):
        entries += await connection.list("" if directory in (".", "/") else directory)
    if session.console.as_json:
        session.console.json([_entry_fields(entry) for entry in entries])
        return
    width = max((len(str(entry.size)) for entry in entries if entry.size is not None), default=1)
    for entry in entries:
        size = "-" if entry.size is None else str(entry.size)
        session.console.line(f"{size:>{width}}  {_local(entry.modified)}  {entry.name}")


def _entry_fields(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "type": "directory" if entry.is_directory else "file",
        "size": entry.size,
        "modified": entry.modified / NANOSECONDS,
    }


def _local(nanoseconds: int) -> str:
    return local_time(nanoseconds // NANOSECONDS).replace("T", " ")[:19]


async def status(session: Session, names: tuple[str, ...]) -> None:
    """Size, time and version."""
    connection = await session.connection()
    for name in names:
        found = await connection.stat(name)
        fields: dict[str, object] = {"name": name, "size": found.size}
        if found.modified is not None:
            fields["modified"] = found.modified / NANOSECONDS
        if found.version:
            fields["version"] = found.version
        if found.stored is not None:
            fields["stored"] = found.stored
        if session.console.as_json:
            session.console.json(fields)
            continue
        if found.modified is not None:
            fields["modified"] = local_time(found.modified // NANOSECONDS)
        words = (f"{key}={value}" for key, value in fields.items() if key != "name")
        session.console.line(f"{format_word(name)}  {'  '.join(words)}")


async def hash_of(session: Session, names: tuple[str, ...], algorithm: str) -> None:
    """Digests, as C{sha256sum} and C{b3sum} print them."""
    connection = await session.connection()
    for name in names:
        found = await connection.hash(name, algorithm)
        if session.console.as_json:
            session.console.json({"name": name, algorithm: found.digest, "size": found.size})
        else:
            session.console.line(f"{found.digest}  {name}")


async def delete(session: Session, names: tuple[str, ...]) -> None:
    """Remove files."""
    connection = await session.connection()
    for name in names:
        await connection.delete(name)


async def rename(session: Session, old: str, new: str) -> None:
    """Give a file another name."""
    await (await session.connection()).rename(old, new)


async def pending(session: Session) -> None:
    """This client's unfinished transfers."""
    found = await (await session.connection()).pending()
    for each in found:
        if session.console.as_json:
            session.console.json(vars(each))
            continue
        last = f", {each.last}" if each.last else ""
        session.console.line(
            f"{each.direction:<8}  {each.offset} of {each.size}  "
            f"expires {each.expires}{last}  {each.name}"
        )


async def discard(session: Session, names: tuple[str, ...]) -> None:
    """Forget unfinished uploads."""
    connection = await session.connection()
    for name in names:
        await connection.discard(name)


async def echo(session: Session, words: tuple[str, ...]) -> None:
    """What the server sends back."""
    connection = await session.connection()
    answer = await connection.echo(" ".join(words).encode("utf-8", "surrogateescape"))
    session.console.line(answer.decode("utf-8", "backslashreplace"))


async def server_time(session: Session) -> None:
    """The server's time."""
    session.console.line(await (await session.connection()).time())


async def server_help(session: Session, command: str) -> None:
    """The server's own help."""
    for line in await (await session.connection()).help(command):
        session.console.line(line)
