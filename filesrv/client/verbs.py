"""
The words of the command line: each verb, what it takes, and the job that it stands for.

Parsing a line makes a L{Job}; performing it is somebody else's: the command's, with a
reactor around it, or the shell's, with one connection for many.  Nothing here is slow
to import; what a job needs is imported when it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from filesrv.client.address import ServerAddress
    from filesrv.client.session import Session

__all__ = ["VERBS", "Job"]


class Job(NamedTuple):
    """
    What is to be done once there is a session.

    @ivar interactive: whether it needs a reactor that shares its loop with asyncio.
    @ivar server: which it talks to, if that is not the one of C{--server}.
    """

    run: Callable[[Session], Coroutine[Any, Any, None]]
    interactive: bool = False
    server: ServerAddress | None = None


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path())
@click.option("--as", "as_name", metavar="NAME", help="The name that the one FILE gets there.")
@click.option("--into", default="", metavar="DIR", help="The directory there that they go to.")
@click.option("-r", "--recursive", is_flag=True, help="Directories, with all that is in them.")
@click.option("--if-absent", is_flag=True, help="Replace nothing that is there already.")
def upload(
    files: tuple[str, ...], as_name: str | None, into: str, recursive: bool, if_absent: bool
) -> Job:
    """
    Upload files, and go on with uploads that were broken off.

    FILE may be - for what comes in from a pipe, with --as to name it.
    """
    if as_name is not None and len(files) > 1:
        raise click.UsageError("--as names one FILE; --into takes several")
    if as_name is not None and into:
        raise click.UsageError("--as or --into, not both")
    if as_name is not None and as_name.endswith("/") and not recursive:
        raise click.UsageError("--as is the whole name; --into names a directory")
    if "-" in files and (len(files) > 1 or as_name is None):
        raise click.UsageError("- is uploaded alone and needs --as NAME")

    async def job(session: Session) -> None:
        from filesrv.client import uploading

        await uploading.upload(
            session, files, as_name=as_name, into=into, recursive=recursive, if_absent=if_absent
        )

    return Job(job)


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    type=click.Path(),
    help="The file or directory they go to; - is stdout.",
)
@click.option("-r", "--recursive", is_flag=True, help="Directories, with all that is in them.")
def download(names: tuple[str, ...], output: str | None, recursive: bool) -> Job:
    """
    Download files, and go on with downloads that were broken off.

    NAME may be a pattern with * ? [ and **, which the server's names are matched with.
    Several files go to a directory, one to a file if PATH is none.
    """
    if output == "":
        raise click.UsageError("-o needs a PATH")

    async def job(session: Session) -> None:
        from filesrv.client import downloading

        await downloading.download(session, names, output=output, recursive=recursive)

    return Job(job)


@click.command("list")
@click.argument("directories", nargs=-1, metavar="[DIR]...")
def list_(directories: tuple[str, ...]) -> Job:
    """List what is in directories: size, time, name."""

    async def job(session: Session) -> None:
        from filesrv.client import asked

        await asked.listing(session, directories)

    return Job(job)


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def stat(names: tuple[str, ...]) -> Job:
    """Show size, time and version of files."""

    async def job(session: Session) -> None:
        from filesrv.client import asked

        await asked.status(session, names)

    return Job(job)


@click.command("hash")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--algorithm",
    type=click.Choice(["sha256", "blake3", "blake3-4m"]),
    default="sha256",
    show_default=True,
)
def hash_(names: tuple[str, ...], algorithm: str) -> Job:
    """Have the server compute digests of files."""

    async def job(session: Session) -> None:
        from filesrv.client import asked

        await asked.hash_of(session, names, algorithm)

    return Job(job)


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def delete(names: tuple[str, ...]) -> Job:
    """Delete files and empty directories."""

    async def job(session: Session) -> None:
        from filesrv.client import asked

        await asked.delete(session, names)

    return Job(job)


@click.command()
@click.argument("old")
@click.argument("new")
def rename(old: str, new: str) -> Job:
    """Give a file or directory another name."""

    async def job(session: Session) -> None:
        from filesrv.client import asked

        await asked.rename(session, old, new)

    return Job(job)


@click.command()
def pending() -> Job:
    """List your unfinished transfers."""

    async def job(session: Session) -> None:
        from filesrv.client import asked

        await asked.pending(session)

    return Job(job)


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def discard(names: tuple[str, ...]) -> Job:
    """Forget unfinished uploads."""

    async def job(session: Session) -> None:
        from filesrv.client import asked

        await asked.discard(session, names)

    return Job(job)


@click.command()
@click.argument("words", nargs=-1, metavar="[WORD]...")
def echo(words: tuple[str, ...]) -> Job:
    """Have the server send back what is said."""

    async def job(session: Session) -> None:
        from filesrv.client import asked

        await asked.echo(session, words)

    return Job(job)


@click.command()
def time() -> Job:
    """Ask for the server's time."""

    async def job(session: Session) -> None:
        from filesrv.client import asked

        await asked.server_time(session)

    return Job(job)


#: In the order of the help.
VERBS: tuple[click.Command, ...] = (
    upload,
    download,
    list_,
    stat,
    hash_,
    delete,
    rename,
    pending,
    discard,
    echo,
    time,
)
