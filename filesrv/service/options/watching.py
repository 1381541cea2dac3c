"""Metrics, and what happens when a file was stored."""

from __future__ import annotations

import shlex
import shutil

from filesrv.service.options.option import (
    Group,
    Number,
    Option,
    Text,
    Values,
    Whole,
    WrongOption,
)
from filesrv.watch.hooks import Hook

__all__ = ["GROUP", "hook_of"]


def _check(options: Values) -> None:
    command = options["on-stored"]
    if command is None:
        return
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise WrongOption("on-stored", f"{command}: {str(error).lower()}") from None
    if not words:
        raise WrongOption("on-stored", "takes a command")
    if shutil.which(words[0]) is None:
        raise WrongOption("on-stored", f"{command}: there is no program {words[0]}")
    options["on-stored"] = words


def hook_of(options: Values) -> Hook | None:
    """What is to run when a file was stored, if anything is."""
    command = options["on-stored"]
    if command is None:
        return None
    return Hook(command, options["hook-timeout"], options["hook-limit"])


GROUP = Group(
    "watching",
    "Looking on",
    (
        Option(
            "metrics",
            "Serve /metrics for Prometheus, and /health, over HTTP there: a port number or an "
            "endpoint, such as tcp:9101:interface=127.0.0.1.",
            Text(toml=(str, int)),
            "PORT",
        ),
        Option(
            "on-stored",
            "Run this command, without a shell, whenever a file was stored.",
            Text(),
            "COMMAND",
        ),
        Option(
            "hook-timeout",
            "Seconds after which such a command is ended.",
            Number(1, 86400),
            "SECONDS",
            300.0,
        ),
        Option("hook-limit", "How many of them run at once.", Whole(1, 1000), "N", 4),
    ),
    _check,
)
