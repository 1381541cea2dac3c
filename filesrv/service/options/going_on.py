"""How long what broke off is kept, and when a peer is given up."""

from __future__ import annotations

from filesrv.service.options.option import Group, Number, Option

__all__ = ["GROUP"]

GROUP = Group(
    "going-on",
    "Transfers that break off",
    (
        Option(
            "keep-partials",
            "Days to keep what arrived of an unfinished upload.",
            Number(0, 36500),
            "DAYS",
            7.0,
        ),
        Option(
            "dead-after",
            "Seconds in which a peer that vanished is noticed, 10 to 300.",
            Number(10, 300),
            "SECONDS",
            30.0,
        ),
        Option(
            "stall-timeout",
            "Seconds that a peer may pause a transfer.",
            Number(10, 86400),
            "SECONDS",
            300.0,
        ),
    ),
)
