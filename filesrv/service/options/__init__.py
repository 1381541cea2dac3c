"""
The options behind C{twistd filesrv}: groups of rows, each in a module of its own, and what
makes a command line of them.

To add an option, write its row in the module of its group; to add a group, its module and
its place in L{GROUPS}.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from filesrv import __version__
from filesrv.service.journal import complaint
from filesrv.service.options import access, going_on, limits, running, serving, small, tls, watching
from filesrv.service.options.config import Config, read_config
from filesrv.service.options.example import example_of
from filesrv.service.options.option import Flag, Group, Option
from filesrv.service.options.settling import settle
from filesrv.service.options.usage import help_of

__all__ = ["GROUPS", "Options", "check_config"]

#: In the order of the help and of the documentation.
GROUPS: tuple[Group, ...] = (
    serving.GROUP,
    access.GROUP,
    tls.GROUP,
    going_on.GROUP,
    limits.GROUP,
    small.GROUP,
    watching.GROUP,
    running.GROUP,
)

_OPTIONS = tuple(option for group in GROUPS for option in group.options)

#: What L{Options} itself sees to.
_OTHERS = (
    Option("version", "Display the version and exit.", Flag()),
    Option("help", "Display this help and exit.", Flag()),
)


class Options(UsageOptions):
    """
    The options behind C{twistd filesrv}: after L{parseOptions} the values of all, by name.
    """

    synopsis = "[options]"
    longdesc = "A file server whose transfers go on after any break."

    optFlags = [  # noqa: RUF012
        [option.name, option.short or None, option.help] for option in _OPTIONS if option.flag
    ]
    optParameters = [  # noqa: RUF012
        [option.name, option.short or None, None, option.help]
        for option in _OPTIONS
        if not option.flag and not option.repeatable
    ]

    def __init__(self) -> None:
        super().__init__()
        for option in _OPTIONS:
            self[option.name] = None

    def opt_version(self) -> NoReturn:
        """Display the version and exit."""
        print(f"filesrv {__version__}")
        raise SystemExit(0)

    def getUsage(self, width: int | None = None) -> str:
        columns = width or int(os.environ.get("COLUMNS", "80"))
        return f"{help_of(GROUPS, _OTHERS, columns)}\n{self.longdesc}\n"

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """
        @raise SystemExit: they are wrong; twistd itself would print all of its help
            and exit with status 0.
        """
        try:
            super().parseOptions(options)
        except UsageError as error:
            raise SystemExit(complaint(str(error), sys.stderr, os.environ)) from None

    def postOptions(self) -> None:
        given = {o.name: _texts(self[o.name]) for o in _OPTIONS if self[o.name] is not None}
        path = given.get("config", [None])[-1]
        config = Config() if path is None else read_config(path, GROUPS)
        faults = settle(GROUPS, given, config, self)
        if self["example-config"]:
            _say(example_of(GROUPS), 0)
        if self["check"]:
            _say("\n".join(faults) or "nothing is wrong with the options", 1 if faults else 0)
        if faults:
            raise UsageError("\n".join(faults))


def _say(words: str, status: int) -> NoReturn:
    print(words)
    raise SystemExit(status)


def _texts(given: Any) -> list[str]:
    """What the command line says of one option: a flag is 1, and the last counts."""
    if isinstance(given, list):
        return given
    return ["true" if given == 1 else given]


def check_config(path: str) -> list[str]:
    """
    All that is wrong with a configuration file, each with file and line; what it names,
    such as certificates, is looked at, too.
    """
    return settle(GROUPS, {}, read_config(path, GROUPS), {})


def _collects(option: Option) -> Callable[[Options, str], None]:
    """The method by which L{UsageOptions} takes an option that comes more than once."""

    def opt_(self: Options, value: str) -> None:
        self[option.name] = [*(self[option.name] or ()), value]

    opt_.__doc__ = option.help
    return opt_


for _option in _OPTIONS:
    if _option.repeatable:
        _method = _collects(_option)
        for _name in filter(None, (_option.name, _option.short)):
            setattr(Options, f"opt_{_name.replace('-', '_')}", _method)
