"""
The command C{filesrv-admin}: its words, and how they become an exit status.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from filesrv import __version__
from filesrv.admin.check import Finding, check_root
from filesrv.admin.daemon import Daemon, NoDaemon, NotDone, usual_roots
from filesrv.watch.shown import shown_text

if TYPE_CHECKING:  # What is only wanted for tables waits until there is one.
    from rich.console import Console

__all__ = ["COMPLETE", "commands", "main"]

#: As for C{filesrv}: here a shell says that it wants to know how a line may go on.
COMPLETE = "_FILESRV_ADMIN_COMPLETE"

#: Columns of a table that nobody looks at on a terminal: nothing is left out for lack of room.
_WIDE = 1000


@dataclass(frozen=True)
class _Asked:
    """Which daemon is meant, and for whom the answers are."""

    root: str | None
    path: str | None
    as_json: bool

    def ask(self, what: str, **more: object) -> dict[str, Any]:
        """One question."""
        daemon = self.daemon()
        try:
            return daemon.ask(what, **more)
        finally:
            daemon.close()

    def daemon(self) -> Daemon:
        return Daemon.find(self.root, self.path)

    def tell(self, answer: object, show: Callable[[Console], None]) -> None:
        """An answer, for programs or for people."""
        if self.as_json:
            print(json.dumps(answer))
        else:
            show(_console())


def _console() -> Console:
    from rich.console import Console

    width = None if sys.stdout.isatty() else _WIDE
    return Console(width=width, highlight=False, soft_wrap=False)


def _json(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Say it for programs.")(command)


def _asked(context: click.Context, as_json: bool) -> _Asked:
    return _Asked(context.obj["root"], context.obj["path"], as_json or context.obj["as_json"])


@click.group(context_settings={"help_option_names": ["--help", "-h"]})
@click.option(
    "--root",
    metavar="DIR",
    help="Where the daemon keeps its files: $STATE_DIRECTORY, /var/lib/filesrv or "
    "./filesrv-files if none is named.",
)
@click.option("--socket", "path", metavar="PATH", help="The daemon's socket, wherever it is.")
@_json
@click.version_option(__version__, prog_name="filesrv-admin", message="%(prog)s %(version)s")
@click.pass_context
def commands(context: click.Context, root: str | None, path: str | None, as_json: bool) -> None:
    """
    Look at a filesrv daemon on this machine, end a connection, or discard an upload.

    Only the daemon's own user and root may.
    """
    context.obj = {"root": root, "path": path, "as_json": as_json}


@commands.command()
@_json
@click.option("--once", is_flag=True, help="Say it once, also on a terminal.")
@click.pass_context
def status(context: click.Context, as_json: bool, once: bool) -> None:
    """What runs now and how fast; on a terminal anew each second, until q is typed."""
    from filesrv.admin.screen import picture, watch

    asked = _asked(context, as_json)
    if asked.as_json or once or not (sys.stdin.isatty() and sys.stdout.isatty()):
        answer = asked.ask("status")
        asked.tell(answer, lambda console: console.print(picture(answer)))
        return
    daemon = asked.daemon()
    with suppress(KeyboardInterrupt):
        watch(_console(), lambda: daemon.ask("status"))
    daemon.close()


@commands.command()
@_json
@click.pass_context
def transfers(context: click.Context, as_json: bool) -> None:
    """What runs and what is unfinished: whose, since when, how far."""
    from filesrv.admin.tables import running_table, unfinished_table

    asked = _asked(context, as_json)
    answer = asked.ask("transfers")

    def show(console: Console) -> None:
        for title, table in (("running", running_table), ("unfinished", unfinished_table)):
            console.print(f"{len(answer[title])} {title}", style="bold")
            if answer[title]:
                console.print(table(answer))

    asked.tell(answer, show)


@commands.command()
@_json
@click.pass_context
def clients(context: click.Context, as_json: bool) -> None:
    """Who is connected, since when, and how many bytes went over the connection."""
    from filesrv.admin.tables import clients_table

    asked = _asked(context, as_json)
    answer = asked.ask("clients")
    asked.tell(answer, lambda console: console.print(clients_table(answer)))


@commands.command()
@_json
@click.argument("target", metavar="ID|ADDRESS|USER")
@click.pass_context
def kick(context: click.Context, as_json: bool, target: str) -> None:
    """End connections, so that what runs there can be gone on with."""
    asked = _asked(context, as_json)
    answer = asked.ask("kick", target=target)
    asked.tell(answer, lambda console: console.print(f"{answer['ended']} ended"))


@commands.command()
@_json
@click.argument("whose", metavar="ID|CLIENT")
@click.argument("name", metavar="[NAME]", required=False)
@click.pass_context
def discard(context: click.Context, as_json: bool, whose: str, name: str | None) -> None:
    """
    Forget an unfinished upload and what arrived of it: by the ID that transfers shows, or
    by the user or address whose it is and its name.
    """
    asked = _asked(context, as_json)
    which = {"id": whose} if name is None else {"client": whose, "name": name}
    answer = asked.ask("discard", **which)
    words = shown_text(f"discarded {answer['name']} of {answer['client']}")
    asked.tell(answer, lambda console: console.print(words, markup=False))


@commands.command()
@_json
@click.argument("config", required=False)
@click.pass_context
def check(context: click.Context, as_json: bool, config: str | None) -> None:
    """What is wrong with a configuration file, with the line, and with the root."""
    from filesrv.admin.configured import check_file

    asked = _asked(context, as_json)
    faults, root = ([], None) if config is None else check_file(config)
    findings = [Finding(True, fault) for fault in faults]
    if not faults and config is not None:
        findings.append(Finding(False, f"{config} is in order"))
    findings += check_root(asked.root or root or _usual_root())
    wrong = any(finding.wrong for finding in findings)

    def show(console: Console) -> None:
        for finding in findings:
            mark = "wrong" if finding.wrong else "ok"
            console.print(f"{mark:5} {shown_text(finding.words)}", markup=False, soft_wrap=True)

    asked.tell({"ok": not wrong, "findings": [vars(one) for one in findings]}, show)
    context.exit(1 if wrong else 0)


def _usual_root() -> str:
    """The one that is there; else the one that a daemon would make."""
    roots = usual_roots()
    there = [root for root in roots if os.path.isdir(root)]
    return there[0] if there else os.environ.get("STATE_DIRECTORY", "").split(":")[0] or roots[-1]


def main(arguments: Sequence[str] | None = None) -> None:
    """
    What the console script calls.

    @raise SystemExit: always; 0 done, 1 not done or something is wrong, 2 typed wrong.
    """
    try:
        commands.main(arguments, prog_name="filesrv-admin", complete_var=COMPLETE)
    except (NoDaemon, NotDone) as error:
        print(f"filesrv-admin: {shown_text(str(error))}", file=sys.stderr)
        raise SystemExit(1) from None
