"""How the daemon is configured, stopped and watched over by its administrator."""

from __future__ import annotations

from filesrv.service.options.option import Choice, Flag, Group, Number, Option, Path

__all__ = ["GROUP"]

GROUP = Group(
    "running",
    "Running it",
    (
        Option(
            "config",
            "Read options from this TOML file, too. The command line has precedence.",
            Path(),
            "FILE",
            in_file=False,
        ),
        Option(
            "drain",
            "Seconds that transfers may go on when the daemon is stopped.",
            Number(0, 86400),
            "SECONDS",
            30.0,
        ),
        Option(
            "log-format",
            "How the log is written: text, or json, an object on each line.",
            Choice(("text", "json")),
            "FORMAT",
            "text",
        ),
        Option(
            "check",
            "Say what is wrong with the options and the file, with the line, and exit.",
            Flag(),
            in_file=False,
        ),
        Option(
            "example-config",
            "Display a configuration file with all options and their defaults, and exit.",
            Flag(),
            in_file=False,
        ),
    ),
)
