"""
The time as RFC 867 has it: one line that a person reads, with the zone as its offset
from UTC, so that it is also exact.
"""

from __future__ import annotations

import re

from filesrv.wire.errors import BadArguments
from filesrv.wire.times import NANOSECONDS, local_time, parse_time

__all__ = ["daytime_line", "parse_daytime"]

# Not those of the locale: the line is the same wherever the server stands.
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

_DAY = 86400
#: 1 January 1970 was a Thursday.
_FIRST_DAY = 3

_LINE = re.compile(
    rf"(?:{'|'.join(_DAYS)}), ({'|'.join(_MONTHS)}) (\d\d?), (\d{{4}}) "
    r"(\d\d:\d\d:\d\d)([+-]\d\d:\d\d)",
    re.ASCII,
)


def daytime_line(seconds: float) -> str:
    """
    C{seconds} since the epoch in the order that RFC 867 suggests (weekday, month, day,
    year, time and zone): C{Friday, November 20, 2026 12:30:45+01:00}.
    """
    date, _, time = local_time(seconds).partition("T")
    year, month, day = date.split("-")
    # How many days after the epoch the local date is says its name.
    days = parse_time(f"{date}T00:00:00Z") // NANOSECONDS // _DAY
    weekday = _DAYS[(days + _FIRST_DAY) % 7]
    return f"{weekday}, {_MONTHS[int(month) - 1]} {int(day)}, {year} {time}"


def parse_daytime(line: str) -> int:
    """
    The second since the epoch in which a server wrote C{line}.

    @param line: of L{daytime_line}, or a time of RFC 3339.
    @raise BadArguments: neither.  RFC 867 leaves the form to the server.
    """
    line = line.strip()
    match = _LINE.fullmatch(line)
    if match is not None:
        month, day, year, time, zone = match.groups()
        number = _MONTHS.index(month) + 1
        line = f"{year}-{number:02}-{int(day):02}T{time}{zone}"
    try:
        return parse_time(line) // NANOSECONDS
    except BadArguments:
        raise BadArguments("this server writes its time in a form of its own") from None
