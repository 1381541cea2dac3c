"""How much of the daemon strangers may have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from filesrv.server.limits import DEFAULTS, Limits
from filesrv.service.options.option import Group, Number, Option, Values, Whole
from filesrv.wire.quantities import parse_bytes

__all__ = ["GROUP", "limits_of"]


@dataclass(frozen=True)
class Limit:
    """
    What may be switched off by C{none}, or 0.

    @ivar read_limit: reads any other value.
    """

    read_limit: Callable[[str], float]
    toml: tuple[type, ...] = (int, float, str)

    def read(self, text: str) -> float:
        return inf if text == "none" else self.read_limit(text) or inf


@dataclass(frozen=True)
class Amount:
    """Bytes, or bytes a second."""

    toml: tuple[type, ...] = (int, str)

    def read(self, text: str) -> float:
        return _rate("0" if text == "none" else text)


def _limit(name: str, words: str, read: Callable[[str], float], metavar: str) -> Option:
    """The row of a limit, whose default is that of the field of the same name."""
    default = getattr(DEFAULTS, _FIELDS[name])
    switched_off = "none" if default == inf else ""
    return Option(name, words, Limit(read), metavar, default, default_words=switched_off)


def _amount(text: str) -> float:
    try:
        return parse_bytes(text)
    except ValueError:
        raise ValueError(f"takes bytes, such as 500k, 10M or 2GiB, or none, not {text}") from None


def _rate(text: str) -> float:
    return _amount(text.removesuffix("/s"))


#: Each option and its field of L{Limits}.
_FIELDS = {
    "max-connections": "connections",
    "max-connections-per-address": "connections_per_address",
    "max-transfers": "transfers",
    "max-transfers-per-client": "transfers_per_client",
    "max-upload-size": "upload_size",
    "max-unfinished-per-client": "unfinished_per_client",
    "max-unfinished-bytes-per-client": "unfinished_bytes_per_client",
    "quota": "quota",
    "quota-per-client": "quota_per_client",
    "limit-rate": "rate",
    "limit-rate-per-connection": "rate_per_connection",
    "min-rate": "min_rate",
    "first-command-timeout": "first_command_timeout",
    "idle-timeout": "idle_timeout",
    "line-timeout": "line_timeout",
}

_count = Whole(0).read
_seconds = Number(0).read


def limits_of(options: Values) -> Limits:
    """What the options say."""
    return Limits(**{field: options[name] for name, field in _FIELDS.items()})


GROUP = Group(
    "limits",
    "Limits, each of them none where it is not wanted",
    (
        _limit("max-connections", "Connections at once.", _count, "COUNT"),
        _limit(
            "max-connections-per-address",
            "Of those, from one address (of IPv6, one /64).",
            _count,
            "COUNT",
        ),
        _limit(
            "max-transfers",
            "Transfers at once; never more than there are open files for.",
            _count,
            "COUNT",
        ),
        _limit("max-transfers-per-client", "Of those, of one client.", _count, "COUNT"),
        _limit("max-upload-size", "Bytes of one file, such as 10G.", _amount, "BYTES"),
        _limit(
            "max-unfinished-per-client",
            "Uploads of a client that go on or have broken off.",
            _count,
            "COUNT",
        ),
        _limit(
            "max-unfinished-bytes-per-client",
            "Bytes of those together.",
            _amount,
            "BYTES",
        ),
        _limit(
            "quota",
            "Bytes of all files and unfinished uploads. All files are looked at on start.",
            _amount,
            "BYTES",
        ),
        _limit(
            "quota-per-client",
            "Bytes of what a client has published and of its unfinished uploads.",
            _amount,
            "BYTES",
        ),
        _limit(
            "limit-rate",
            "Bytes a second of all downloads together, and of all uploads, such as 10M.",
            _rate,
            "RATE",
        ),
        _limit(
            "limit-rate-per-connection",
            "Bytes a second of one download or upload.",
            _rate,
            "RATE",
        ),
        Option(
            "min-rate",
            "Bytes a second that a transfer must have, over a minute.",
            Amount(),
            "RATE",
            0,
        ),
        _limit(
            "first-command-timeout",
            "Seconds in which a connection's first line has to come.",
            _seconds,
            "SECONDS",
        ),
        _limit(
            "line-timeout", "Seconds in which a line that has begun must end.", _seconds, "SECONDS"
        ),
        _limit(
            "idle-timeout",
            "Seconds that a connection may say nothing, while nothing goes on there.",
            _seconds,
            "SECONDS",
        ),
    ),
)
