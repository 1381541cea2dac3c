"""
The options behind C{twistd filesrv}.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NoReturn

from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from filesrv import __version__
from filesrv.small_services.options import FLAGS, PARAMETERS

__all__ = ["Options"]

DEFAULT_PORT = "9000"

DURABILITIES = ("commit", "none")

#: The options that are numbers, with the least and the most that each may be.
_NUMBERS = (
    ("keep-partials", 0.0, 36500.0),
    ("dead-after", 10.0, 300.0),
    ("stall-timeout", 10.0, 86400.0),
)


class Options(UsageOptions):
    """The options behind C{twistd filesrv}."""

    synopsis = "[options]"
    longdesc = "A file server whose transfers go on after any break."

    optFlags = [  # noqa: RUF012
        ["no-overwrite", None, "Refuse to replace, rename or delete what is published."],
        *FLAGS,
    ]
    optParameters = [  # noqa: RUF012
        [
            "root",
            "r",
            None,
            "Where the files are kept [default: $STATE_DIRECTORY, else ./filesrv-files].",
        ],
        ["keep-partials", None, 7.0, "Days to keep what arrived of an unfinished upload."],
        ["dead-after", None, 30.0, "Seconds in which a peer that vanished is noticed, 10 to 300."],
        [
            "durability",
            None,
            "commit",
            "When OK is said: commit, the file is on disk; none, the kernel has it.",
        ],
        ["stall-timeout", None, 300.0, "Seconds that a peer may pause a transfer."],
        *PARAMETERS,
    ]

    def __init__(self) -> None:
        super().__init__()
        self["ports"] = []

    def opt_port(self, value: str) -> None:
        """
        Where to listen: a port number, for IPv4 and IPv6, or a Twisted endpoint
        description. May be given more than once. [default: 9000]
        """
        self["ports"].append(value)

    opt_p = opt_port

    def opt_version(self) -> NoReturn:
        """Display the version and exit."""
        print(f"filesrv {__version__}")
        raise SystemExit(0)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """
        @raise SystemExit: they are wrong; twistd itself would print all of its help
            and exit with status 0.
        """
        try:
            super().parseOptions(options)
        except UsageError as error:
            raise SystemExit(f"filesrv: {error}") from None

    def postOptions(self) -> None:
        self["ports"] = self["ports"] or [DEFAULT_PORT]
        for option, least, most in _NUMBERS:
            self[option] = _number(option, self[option], least, most)
        if self["durability"] not in DURABILITIES:
            raise UsageError(f"--durability is {' or '.join(DURABILITIES)}")
        state = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
        self["root"] = os.path.abspath(self["root"] or state or "filesrv-files")


def _number(option: str, text: object, least: float, most: float) -> float:
    try:
        value = float(str(text))
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise UsageError(f"--{option} takes a number from {least:g} to {most:g}, not {text}")
    return value
