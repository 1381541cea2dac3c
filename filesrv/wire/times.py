"""
Times on the wire: RFC 3339, to the nanosecond where a file's time has them.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from filesrv.wire.errors import BadArguments

__all__ = ["NANOSECONDS", "local_time", "parse_time", "utc_time"]

NANOSECONDS = 1_000_000_000

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?"
    r"(?:[Zz]|([+-])(\d\d):(\d\d))",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def local_time(seconds: float) -> str:
    """C{seconds} since the epoch as this machine's local time with its UTC offset."""
    return datetime.fromtimestamp(seconds, timezone.utc).astimezone().isoformat(timespec="seconds")


def utc_time(nanoseconds: int) -> str:
    """Nanoseconds since the epoch, in UTC, without digits that say nothing."""
    seconds, fraction = divmod(nanoseconds, NANOSECONDS)
    whole = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f".{fraction:09d}".rstrip("0").rstrip(".")
    return f"{whole}{digits}Z"


def parse_time(text: str) -> int:
    """
    Nanoseconds since the epoch.

    @raise BadArguments: not a time of RFC 3339.
    """
    match = _RFC3339.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        year, month, day, hour, minute, second = (int(match[group]) for group in range(1, 7))
        # A leap second is the first instant of the next minute to every file system.
        moment = datetime(year, month, day, hour, minute, tzinfo=timezone.utc)
        moment += timedelta(seconds=min(second, 60))
        if match[8]:
            offset = timedelta(hours=int(match[9]), minutes=int(match[10]))
            moment -= offset if match[8] == "+" else -offset
    except (ValueError, OverflowError):
        raise BadArguments("a time looks like 2026-11-20T10:30:00Z") from None
    whole = (moment - _EPOCH) // timedelta(seconds=1)
    return whole * NANOSECONDS + int((match[7] or "").ljust(9, "0"))
