"""
C{filesrv upload}: what the user named becomes uploads.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from filesrv.client.errors import ClientError, GaveUp
from filesrv.client.lines import Lines
from filesrv.client.outcomes import given_up
from filesrv.client.session import Session
from filesrv.client.sources import find, upload_name
from filesrv.client.uploads import Upload, Uploads
from filesrv.wire.grammar import format_word

__all__ = ["upload"]

_SPOOL = "spool"


async def upload(
    session: Session,
    files: Sequence[str],
    *,
    as_name: str | None = None,
    into: str = "",
    recursive: bool = False,
    if_absent: bool = False,
) -> None:
    """
    Upload files, directories, or with C{-} what comes in from a pipe.

    @param as_name: the name that the only one of them gets.
    @param into: the directory of the server that they go to.
    """
    report = session.report()
    spooled: Path | None = None
    try:
        if list(files) == ["-"]:
            spooled = await _spool_stdin(session, as_name or "stdin")
            uploads = [Upload(str(spooled), as_name or "stdin")]
            uploads[0].shown = uploads[0].name
        else:
            uploads = _found(report, files, as_name, into, recursive)
            _check_names(uploads)
        await _send(session, report, uploads, if_absent)
        _forget_spooled(session, uploads)
    except GaveUp as error:
        raise given_up(error) from error
    finally:
        report.close()
        if spooled is not None and spooled.exists():
            _tell_of_spool(session, spooled, as_name or "stdin")


async def _send(
    session: Session, report: Lines, uploads: Sequence[Upload], if_absent: bool
) -> None:
    report.expect(len(uploads), sum(_size(each.path) for each in uploads))
    runs = Uploads(
        session.reactor,
        session.recovery,
        report,
        session.journal(),
        pace=session.pace(),
        if_absent=if_absent,
        verify=session.settings.verify,
    )
    await runs.run(uploads)


async def _spool_stdin(session: Session, name: str) -> Path:
    from filesrv.client.pipes import spool

    stdin = session.console.stdin.fileno()
    return await spool(session.reactor, stdin, session.state.directory(_SPOOL), name)


def _found(
    report: Lines, files: Sequence[str], as_name: str | None, into: str, recursive: bool
) -> list[Upload]:
    uploads: list[Upload] = []
    for path in files:
        for found in find(path, recursive):
            if found.skipped:
                report.note(f"{found.path} is left out: {found.skipped}")
                continue
            name = upload_name(into, found.name)
            if as_name is not None:
                name = "/".join([as_name.rstrip("/"), *found.name.split("/")[1:]])
            uploads.append(Upload(found.path, name))
    return uploads


def _check_names(uploads: Sequence[Upload]) -> None:
    """
    @raise ClientError: two files would get one name.
    """
    taken: dict[str, str] = {}
    for each in uploads:
        other = taken.setdefault(each.name, each.path)
        if other != each.path:
            both = f"{format_word(other)} and {format_word(each.path)}"
            raise ClientError(f"{both} would both become {format_word(each.name)} there")


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:  # Reported when its turn comes.
        return 0


def _forget_spooled(session: Session, uploads: Sequence[Upload]) -> None:
    """What came in from a pipe has no other use than to arrive."""
    kept_in = os.path.realpath(session.state.path / _SPOOL)
    directories = {os.path.dirname(each.path) for each in uploads}
    spools = {path for path in directories if os.path.realpath(path) == kept_in}
    for each in uploads:
        if os.path.dirname(each.path) in spools:
            with suppress(OSError):
                os.unlink(each.path)


def _tell_of_spool(session: Session, spooled: Path, name: str) -> None:
    session.console.error(
        f"what came in from the pipe is in {spooled}; go on with: filesrv --server "
        f"{session.server} upload {format_word(str(spooled))} --as {format_word(name)}"
    )
