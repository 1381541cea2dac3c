"""
The manual pages and the completions of the shells, made from what ``--help`` says::

    python docs/man/make.py

A test holds what is committed against what this makes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from click.shell_completion import get_completion_class
from roff import Page

from filesrv import __version__
from filesrv.client.cli import COMPLETE, commands
from filesrv.service.options import GROUPS, Options
from filesrv.service.options.option import Option

__all__ = ["made"]

HERE = Path(__file__).resolve().parent

SHELLS = ("bash", "zsh", "fish")

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

DAEMON = """
Clients speak to it in lines of text, with the command ``filesrv`` or by telnet or netcat.
``-n`` of twistd keeps it in the foreground.
"""

SIGNALS = (
    ("SIGTERM, SIGINT", "Stop: connections are told, and each transfer can be gone on with."),
)

DAEMON_STATUSES = (
    ("0", "It was stopped."),
    ("1", "It could not start; what has to be changed first is said in one line."),
)


def client_page() -> Page:
    """filesrv(1)"""
    group = commands()
    page = Page("filesrv", 1, __version__, "move files, and go on after any break")
    _introduce(page, "filesrv", group)
    _commands(page, group, "filesrv")
    page.heading("Exit status")
    page.terms(EXIT_STATUSES)
    page.heading("Environment")
    page.terms(ENVIRONMENT)
    page.see_also(["twistd-filesrv(8)", "filesrv-admin(1)", "nc(1)", "telnet(1)"])
    return page


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


def _introduce(page: Page, program: str, group: click.Group) -> None:
    page.heading("Synopsis")
    page.usage(program, "[OPTIONS] COMMAND [ARGS]...")
    page.heading("Description")
    page.paragraphs(group.help or "")
    page.heading("Options")
    page.terms(_options(group, program))


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


def _completions(program: str, group: click.Group, variable: str) -> Iterator[tuple[str, str]]:
    names = {"bash": program, "zsh": f"_{program}", "fish": f"{program}.fish"}
    for shell in SHELLS:
        kind = get_completion_class(shell)
        assert kind is not None
        yield f"completions/{shell}/{names[shell]}", kind(group, {}, program, variable).source()


def made() -> dict[str, str]:
    """Each file, by its path below this directory."""
    pages: Iterable[Page] = (client_page(), daemon_page())
    files = {f"{page.name}.{page.section}": page.text() for page in pages}
    files.update(_completions("filesrv", commands(), COMPLETE))
    return files


if __name__ == "__main__":
    for name, text in made().items():
        path = HERE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(HERE), file=sys.stderr)
