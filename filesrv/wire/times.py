"""
Times on the wire: RFC 3339, to the nanosecond where a file's time has them.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache

from filesrv.wire.errors import BadArguments

__all__ = ["NANOSECONDS", "local_time", "parse_time", "utc_time"]

NANOSECONDS = 1_000_000_000

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):([0-5]\d|60)(?:\.(\d{1,9})\d*)?"
    r"(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SECOND = timedelta(seconds=1)

#: Seconds since the epoch of the first and the last moment that RFC 3339 can write.
_FIRST = (datetime.min.replace(tzinfo=timezone.utc) - _EPOCH) // _SECOND
_LAST = (datetime.max.replace(tzinfo=timezone.utc) - _EPOCH) // _SECOND


def local_time(seconds: float) -> str:
    """C{seconds} since the epoch as this machine's local time with its UTC offset."""
    return datetime.fromtimestamp(seconds, timezone.utc).astimezone().isoformat(timespec="seconds")


def utc_time(nanoseconds: int) -> str:
    """
    Nanoseconds since the epoch, in UTC, without digits that say nothing.

    A file system holds times that RFC 3339 cannot write; they become the nearest that
    it can, so that one such file does not spoil a listing.
    """
    seconds, fraction = divmod(nanoseconds, NANOSECONDS)
    digits = f".{fraction:09d}".rstrip("0").rstrip(".")
    return f"{_utc_second(seconds)}{digits}Z"


@lru_cache(maxsize=64)  # The files of one directory are often of one second.
def _utc_second(seconds: int) -> str:
    moment = _EPOCH + timedelta(seconds=min(max(seconds, _FIRST), _LAST))
    return moment.replace(tzinfo=None).isoformat()


def parse_time(text: str) -> int:
    """
    Nanoseconds since the epoch.

    @raise BadArguments: not a time of RFC 3339.
    """
    match = _RFC3339.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        *parts, fraction, sign, hours, minutes = match.groups()
        whole = _whole_seconds(*parts, sign, hours, minutes)
    except (ValueError, OverflowError):
        raise BadArguments("a time looks like 2026-11-20T10:30:00Z") from None
    return whole * NANOSECONDS + int((fraction or "").ljust(9, "0"))


@lru_cache(maxsize=64)
def _whole_seconds(*parts: str | None) -> int:
    """
    @param parts: year to second; sign, hours and minutes of the offset, if there is one.
    """
    year, month, day, hour, minute, second = (int(part or 0) for part in parts[:6])
    sign, hours, minutes = parts[6:]
    # A leap second is the first instant of the next minute to every file system.
    moment = datetime(year, month, day, hour, minute, tzinfo=timezone.utc)
    moment += timedelta(seconds=second)
    if sign:
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        moment -= offset if sign == "+" else -offset
    return (moment - _EPOCH) // _SECOND
