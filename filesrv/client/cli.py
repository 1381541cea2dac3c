"""
The command ``filesrv``: its options, and how a line of words becomes an exit status.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO, cast

import click

from filesrv import __version__
from filesrv.client.address import ServerAddress
from filesrv.client.console import Console
from filesrv.client.outcomes import DONE, INTERRUPTED, USAGE
from filesrv.client.passwd import passwd
from filesrv.client.settings import Settings
from filesrv.client.small_verbs import SMALL_VERBS
from filesrv.client.verbs import VERBS, Job
from filesrv.transfer.certificates import plain_pin
from filesrv.wire.quantities import parse_rate

if TYPE_CHECKING:
    from filesrv.client.session import Session

__all__ = ["COMPLETE", "commands", "main"]

#: In this variable a shell says that it wants to know how a line may go on; the scripts
#: that ask so come with click.
COMPLETE = "_FILESRV_COMPLETE"

_SETTINGS = "filesrv.settings"


class _Parsed(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    """A click type made of a function that raises L{ValueError}."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Options of the command may stand before the verb or behind it; the last one counts."""
    if value is None or value is False or parameter.name is None:
        return
    known = context.meta.setdefault(_SETTINGS, {})
    known[parameter.name] = value


def _option(*names: str, **more: Any) -> Callable[[bool], click.Option]:
    """Makes the option, hidden or not; one object cannot be of two commands."""

    def make(hidden: bool) -> click.Option:
        wanted = {"hidden": hidden, **more}
        if hidden:
            wanted.pop("envvar", None)  # The command itself has read it.
        return click.Option(names, expose_value=False, callback=_remember, **wanted)

    return make


_READABLE = click.Path(exists=True, dir_okay=False)

#: What every verb takes, before it or behind it.
_SHARED_OPTIONS = (
    _option(
        "--server",
        type=_Parsed("HOST[:PORT]", ServerAddress.parse),
        envvar="FILESRV_SERVER",
        help="Where the server is; FILESRV_SERVER stands in.  Port 9000 if none is given.",
    ),
    _option(
        "--user",
        metavar="NAME",
        envvar="FILESRV_USER",
        help="Log in as NAME; FILESRV_PASSWORD has the password, or it is asked for.",
    ),
    _option(
        "--password-file",
        type=click.Path(exists=True, dir_okay=False),
        help="Its first line is the password.",
    ),
    _option(
        "--allow-plain-login",
        is_flag=True,
        help="Send the password although others on the way could read it.",
    ),
    _option(
        "--tls",
        is_flag=True,
        envvar="FILESRV_TLS",
        help="Go on under TLS (STARTTLS) before anything is said; tls://HOST begins with it.",
    ),
    _option(
        "--ca",
        type=_READABLE,
        envvar="FILESRV_CA",
        help="Trust the certificates in FILE, not the system's.  Implies --tls.",
    ),
    _option(
        "--pin",
        type=_Parsed("SHA256", plain_pin),
        envvar="FILESRV_PIN",
        help="Trust the server with this public key.  Implies --tls.",
    ),
    _option("--cert", type=_READABLE, help="This client's certificate.  Implies --tls."),
    _option("--key", type=_READABLE, help="Its key, if that is in a file of its own."),
    _option(
        "--limit-rate",
        type=_Parsed("RATE", parse_rate),
        help="At most so many bytes a second: 500k, 10M.",
    ),
    _option(
        "--patience",
        type=click.IntRange(30, 300),
        metavar="SECONDS",
        help="How long without one new byte until somebody is asked (90).",
    ),
    _option(
        "--on-trouble",
        type=click.Choice(["ask", "retry", "stop"]),
        help="What is done then (ask; without a terminal, stop).",
    ),
    _option(
        "--dead-after",
        type=click.IntRange(10, 300),
        metavar="SECONDS",
        help="When a server that does not answer counts as gone (30).",
    ),
    _option(
        "--stall-timeout",
        type=click.IntRange(min=1),
        metavar="SECONDS",
        help="When one that answers but moves nothing does (300).",
    ),
    _option(
        "--no-token",
        is_flag=True,
        help="Be known to the server by the address alone.",
    ),
    _option(
        "--no-verify",
        is_flag=True,
        help="Take what arrives for what was sent, without comparing digests.",
    ),
    _option("--quiet", "-q", is_flag=True, help="Say only what went wrong."),
    _option("--json", "as_json", is_flag=True, help="Say it for programs."),
    _option("--debug", is_flag=True, hidden=True),
)


def _shared_options(hidden: bool) -> list[click.Parameter]:
    """
    @param hidden: leave them out of the help, where the command's own has them.
    """
    return [make(hidden) for make in _SHARED_OPTIONS]


@click.command()
def shell() -> Job:
    """Talk to the server line by line."""

    async def job(session: Session) -> None:
        from filesrv.client.shell import shell as run_shell

        await run_shell(session)

    return Job(job, interactive=True)


class _Verbs(click.Group):
    """
    Listed in the order of the table, not of the alphabet; each gets its options when it
    is asked for, which most of them are not.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        verb = self.commands.get(cmd_name)
        if verb is None or verb is passwd:
            return verb
        params = [*verb.params, *_shared_options(hidden=True)]
        return click.Command(verb.name, callback=verb.callback, params=params, help=verb.help)


def commands() -> click.Group:
    """The command and its verbs, as click knows them."""
    group = _Verbs(
        "filesrv",
        help="Move files to and from a filesrv server; what breaks off goes on by itself.",
        params=_shared_options(hidden=False),
        no_args_is_help=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    click.version_option(__version__, prog_name="filesrv")(group)
    for verb in (*VERBS, *SMALL_VERBS, shell, passwd):
        group.add_command(verb)
    return group


def _settings(given: Mapping[str, Any]) -> Settings:
    fields = dict(given)
    if fields.pop("no_token", False):
        fields["use_token"] = False
    if fields.pop("no_verify", False):
        fields["verify"] = False
    words = [fields.pop(name, None) for name in ("ca", "pin", "cert", "key")]
    if fields.pop("tls", False) or any(words):
        from filesrv.client.trust import Trust  # and with it Twisted

        fields["trust"] = Trust(*words)
    return Settings(**fields)


def main(
    arguments: Sequence[str] | None = None,
    *,
    stdin: TextIO | None = None,
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
    environment: Mapping[str, str] | None = None,
    reactor: Any = None,
    ready: Callable[[], None] = lambda: None,
) -> int:
    """
    Perform one command line.

    @param arguments: without the program's name; those of the process if left out.
    @param ready: called when all is imported that the command needs, before it begins.
    @return: the exit status.
    """
    console = Console(
        stdin or sys.stdin or _nowhere("r"),
        stdout or sys.stdout or _nowhere("w"),
        stderr or sys.stderr or _nowhere("w"),
    )
    environment = os.environ if environment is None else environment
    if instruction := environment.get(COMPLETE):
        return _complete(instruction)
    try:
        parsed = _parse(arguments, console)
        return DONE if parsed is None else _perform(parsed, console, environment, reactor, ready)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        console.error(error.format_message())
        return USAGE
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:  # Of the help, for instance.
        return DONE
    finally:
        console.let_go()


def _complete(instruction: str) -> int:
    from click.shell_completion import shell_complete

    return shell_complete(commands(), {}, "filesrv", COMPLETE, instruction)


def _nowhere(mode: str) -> TextIO:
    """Stands in for a standard stream that was closed before this program started."""
    return cast("TextIO", open(os.devnull, mode, encoding="utf-8"))


def _parse(arguments: Sequence[str] | None, console: Console) -> tuple[Job, Settings] | None:
    """What a line asks a server for; L{None} if that needed none and is done."""
    group = commands()
    words = sys.argv[1:] if arguments is None else list(arguments)
    with group.make_context("filesrv", words, obj=console) as context:
        job: Job | None = group.invoke(context)
        return None if job is None else (job, _settings(context.meta.get(_SETTINGS, {})))


def _perform(
    parsed: tuple[Job, Settings],
    console: Console,
    environment: Mapping[str, str],
    reactor: Any,
    ready: Callable[[], None],
) -> int:
    job, settings = parsed
    server = job.server or settings.server
    if server is None:
        raise click.UsageError("which server? --server HOST[:PORT], or FILESRV_SERVER")
    console.quiet, console.as_json = settings.quiet, settings.as_json
    if settings.user is not None and job.server is None:
        from filesrv.client.login import Login, password_of

        password = password_of(settings.user, settings.password_file, environment, console)
        login = Login(settings.user, password, settings.allow_plain_login)
        settings = settings._replace(login=login)
    if reactor is None:
        if job.interactive and console.stdin.isatty():
            from filesrv.client.shell import install_reactor

            install_reactor()
        from twisted.internet import reactor
    from filesrv.client.running import run
    from filesrv.client.state import State

    ready()
    return run(job.run, reactor, console, settings, server, State(environment))
