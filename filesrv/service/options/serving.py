"""What is served, and where."""

from __future__ import annotations

import os

from filesrv.service.options.listening import Listening
from filesrv.service.options.option import Choice, Flag, Group, Option, Path, Values

__all__ = ["GROUP"]


def _check(options: Values) -> None:
    state = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    options["root"] = os.path.abspath(options["root"] or state or "filesrv-files")


GROUP = Group(
    "serving",
    "What is served, and where",
    (
        Option(
            "port",
            "Where to listen: a port number, for IPv4 and IPv6, or a Twisted endpoint "
            "description. May be given more than once.",
            Listening("port"),
            "PORT",
            ("9000",),
            short="p",
            repeatable=True,
        ),
        Option(
            "root",
            "Where the files are kept.",
            Path(directory=True),
            "DIR",
            short="r",
            default_words="$STATE_DIRECTORY, else ./filesrv-files",
        ),
        Option("no-overwrite", "Refuse to replace, rename or delete what is published.", Flag()),
        Option(
            "durability",
            "When OK is said: commit, the file is on disk; none, the kernel has it.",
            Choice(("commit", "none")),
            "WHEN",
            "commit",
        ),
    ),
    _check,
)
