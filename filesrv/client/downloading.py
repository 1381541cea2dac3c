"""
C{filesrv download}: what the user named becomes downloads.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from functools import partial

from filesrv.client.connection import Connection
from filesrv.client.downloads import Download, Downloads
from filesrv.client.errors import ClientError, GaveUp
from filesrv.client.lines import Lines
from filesrv.client.outcomes import given_up
from filesrv.client.patterns import Wanted, has_wildcard, wanted
from filesrv.client.places import PlacesBelow, place_at
from filesrv.client.session import Session
from filesrv.wire.grammar import format_word

__all__ = ["download"]


async def download(
    session: Session, names: Sequence[str], *, output: str | None = None, recursive: bool = False
) -> None:
    """
    Download files, directories, or what matches patterns.

    @param output: a file, a directory, or C{-} for stdout.
    """
    to_stdout = output == "-"
    report = session.report(lines_to_stderr=to_stdout)
    try:
        found = await _wanted(session, names, recursive)
        if to_stdout:
            from filesrv.client.streaming import stream

            await stream(session, report, found, session.console.stdout.fileno())
        elif output is not None and _is_device(output):
            from filesrv.client.streaming import stream_into

            await stream_into(session, report, found, output)
        else:
            # A name that looks like a pattern may be just that name.
            many = recursive or [each.name for each in found] != list(names) or len(names) > 1
            below = PlacesBelow(output or "")
            try:
                await _fetch(session, report, _placed(found, below, output, many))
            finally:
                below.close()
    except GaveUp as error:
        raise given_up(error) from error
    finally:
        report.close()


async def _wanted(session: Session, names: Sequence[str], recursive: bool) -> list[Wanted]:
    if not recursive and not any(map(has_wildcard, names)):
        # Nothing to be asked first: each is what it says.
        return [Wanted(name, None, (os.path.basename(name) or name,)) for name in names]

    async def expand(connection: Connection) -> list[Wanted]:
        found: dict[str, Wanted] = {}
        for name in names:
            for each in await wanted(connection, name, recursive):
                found.setdefault(each.name, each)
        return list(found.values())

    return await session.recovery.run(expand)


def _placed(
    found: Sequence[Wanted], below: PlacesBelow, output: str | None, many: bool
) -> list[Download]:
    """
    @param below: the places in the directory that C{output} is, if it is one.
    @raise ClientError: two files would get one place.
    """
    taken: dict[tuple[str, ...], str] = {}
    for each in found:
        other = taken.setdefault(each.parts, each.name)
        if other != each.name:
            both = f"{format_word(other)} and {format_word(each.name)}"
            raise ClientError(f"{both} would both become {'/'.join(each.parts)} here")
    if output is not None and not many and not output.endswith("/") and not os.path.isdir(output):
        (only,) = found
        return [Download(only.name, partial(place_at, output), output)]
    directory = "" if output is None else output
    return [
        Download(
            each.name,
            partial(below.place, each.parts),
            os.path.join(directory, *each.parts),
            each.size,
        )
        for each in found
    ]


async def _fetch(session: Session, report: Lines, downloads: Sequence[Download]) -> None:
    report.expect(len(downloads), None)
    runs = Downloads(
        session.reactor,
        session.recovery,
        report,
        str(session.server),
        pace=session.pace(),
        verify=session.settings.verify,
        flushing=session.flushing,
    )
    await runs.run(downloads)


def _is_device(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
