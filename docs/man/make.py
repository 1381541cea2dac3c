"""
The manual pages and the completions of the shells, made from what ``--help`` says::

    python docs/man/make.py

A test holds what is committed against what this makes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from click.shell_completion import get_completion_class
from roff import Page

from filesrv import __version__
from filesrv.admin import cli as admin
from filesrv.client import cli as client
from filesrv.service.options import GROUPS, Options
from filesrv.service.options.option import Option

__all__ = ["made"]

HERE = Path(__file__).resolve().parent

#: Terms, and what each means.
Rows = tuple[tuple[str, str], ...]

#: What the exit statuses of the command mean; sysexits.h has the name of 75.
EXIT_STATUSES = (
    ("0", "Done."),
    ("1", "The server refused, or it failed for good."),
    ("2", "The command was typed wrong."),
    ("75", "Given up for now; what has arrived is kept, and the same command goes on from there."),
    ("130", "Interrupted by Ctrl-C; what has arrived is kept."),
)

ENVIRONMENT = (
    ("FILESRV_SERVER", "Where the server is, if ``--server`` does not say."),
    ("FILESRV_USER", "Who to log in as, if ``--user`` does not say."),
    ("FILESRV_PASSWORD", "The password, if ``--password-file`` does not have it."),
    ("XDG_STATE_HOME", "Where the command keeps its token and the digests of what it sends."),
)

ADMIN_STATUSES = (
    ("0", "Done, or nothing found that is wrong."),
    ("1", "No daemon was found, it did not do it, or ``check`` found something."),
    ("2", "The command was typed wrong."),
)

ADMIN_ENVIRONMENT = (
    ("STATE_DIRECTORY", "The root of the daemon, if neither ``--root`` nor ``--socket`` says."),
)

DAEMON = """
Clients speak to it in lines of text, with the command ``filesrv`` or by telnet or netcat.
``-n`` of twistd keeps it in the foreground.
"""

_STOP = """
Stop: nothing new begins, transfers may run for the time of ``--drain``, and are then ended so that
each can be gone on with.  A second one ends them at once.
"""

SIGNALS = (
    ("SIGTERM, SIGINT", _STOP),
    ("SIGHUP", "Read the password file, the rights and the certificates again."),
)

DAEMON_STATUSES = (
    ("0", "It was stopped."),
    ("1", "It could not start; what has to be changed first is said in one line."),
)


@dataclass(frozen=True)
class Program:
    """
    A command made with click.

    @ivar complete: the variable in which a shell asks it how a line may go on.
    @ivar statuses: what its exit statuses mean.
    @ivar environment: which variables it reads.
    """

    name: str
    summary: str
    group: click.Group
    complete: str
    statuses: Rows
    environment: Rows
    see_also: tuple[str, ...]

    def page(self) -> Page:
        """Its manual page."""
        page = Page(self.name, 1, __version__, self.summary)
        page.heading("Synopsis")
        page.usage(self.name, "[OPTIONS] COMMAND [ARGS]...")
        page.heading("Description")
        page.paragraphs(self.group.help or "")
        page.heading("Options")
        page.terms(_options(self.group, self.name))
        _commands(page, self.group, self.name)
        page.heading("Exit status")
        page.terms(self.statuses)
        page.heading("Environment")
        page.terms(self.environment)
        page.see_also(self.see_also)
        return page

    def completions(self) -> Iterator[tuple[str, str]]:
        """The name of each shell's script, and the script."""
        names = {"bash": self.name, "zsh": f"_{self.name}", "fish": f"{self.name}.fish"}
        for shell, name in names.items():
            kind = get_completion_class(shell)
            assert kind is not None
            source = kind(self.group, {}, self.name, self.complete).source()
            yield f"completions/{shell}/{name}", source


PROGRAMS = (
    Program(
        "filesrv",
        "move files, and go on after any break",
        client.commands(),
        client.COMPLETE,
        EXIT_STATUSES,
        ENVIRONMENT,
        ("twistd-filesrv(8)", "filesrv-admin(1)", "nc(1)", "telnet(1)"),
    ),
    Program(
        "filesrv-admin",
        "look at a running daemon of filesrv, and change what it does",
        admin.commands,
        admin.COMPLETE,
        ADMIN_STATUSES,
        ADMIN_ENVIRONMENT,
        ("twistd-filesrv(8)", "filesrv(1)"),
    ),
)


def daemon_page() -> Page:
    """twistd-filesrv(8)"""
    page = Page("twistd-filesrv", 8, __version__, "the daemon of filesrv")
    page.heading("Synopsis")
    page.usage("twistd", "[OPTIONS OF TWISTD] filesrv [OPTIONS]")
    page.heading("Description")
    page.paragraphs(f"{Options.longdesc}\n\n{DAEMON}")
    page.heading("Options")
    for group in GROUPS:
        page.subheading(group.title)
        page.terms((_term(option), _meaning(option)) for option in group.options)
    page.heading("Signals")
    page.terms(SIGNALS)
    page.heading("Exit status")
    page.terms(DAEMON_STATUSES)
    page.see_also(["filesrv(1)", "filesrv-admin(1)", "twistd(1)", "systemd.unit(5)"])
    return page


def _term(option: Option) -> str:
    short = f"-{option.short}, " if option.short else ""
    return f"{short}--{option.name} {option.metavar}".rstrip()


def _meaning(option: Option) -> str:
    return f"{option.help} [default: {option.default_text}]" if option.default_text else option.help


def _commands(page: Page, group: click.Group, program: str) -> None:
    page.heading("Commands")
    context = click.Context(group, info_name=program)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        page.subheading(" ".join([name, *command.collect_usage_pieces(context)]))
        page.paragraphs(command.help or "")
        page.terms(_options(command, name, helps=False))


def _options(command: click.Command, name: str, helps: bool = True) -> Iterator[tuple[str, str]]:
    context = click.Context(command, info_name=name, **command.context_settings)
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[1] and (helps or "--help" not in parameter.opts):
            yield record


def made() -> dict[str, str]:
    """Each file, by its path below this directory."""
    pages = (*(program.page() for program in PROGRAMS), daemon_page())
    files = {f"{page.name}.{page.section}": page.text() for page in pages}
    for program in PROGRAMS:
        files.update(program.completions())
    return files


if __name__ == "__main__":
    for name, text in made().items():
        path = HERE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(HERE), file=sys.stderr)
