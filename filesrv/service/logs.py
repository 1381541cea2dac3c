"""
The log: as text, for people and for the journal, or as JSON, for programs.  One event is one
line, whatever the words in it are; only a traceback has lines of its own, which are indented.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, TextIO

from twisted.logger import (
    FileLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    formatEvent,
    formatTime,
)
from twisted.python.logfile import LogFile

from filesrv.service.journal import ERROR, leads_to_journal, priority

__all__ = ["FORMATS", "json_line", "observer_of", "text_line"]

#: What no line may hold: controls of both sets, other line ends, what turns the direction
#: of writing around, and what cannot be encoded.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

#: Of syslog(3).
_PRIORITIES = {
    LogLevel.debug: 7,
    LogLevel.info: 6,
    LogLevel.warn: 4,
    LogLevel.error: ERROR,
    LogLevel.critical: 2,
}

#: What twistd calls its log if nobody else does.
_TWISTD_LOG = "twistd.log"


def text_line(event: LogEvent) -> str:
    """One event with its time, as C{twistd} writes it, and its line end."""
    system = event.get("log_system")
    if system is None:
        system = f"{event.get('log_namespace', '-')}#{_level(event).name}"
    text = "\n\t".join(_texts(event))
    return f"{_time(event)} [{_plain(str(system))}] {text}\n"


def journal_line(event: LogEvent) -> str:
    """One event for journald, which has the time itself."""
    return "".join(f"{_priority(event)}{text}\n" for text in _texts(event))


def json_line(event: LogEvent) -> str:
    """
    One event as an object: C{time} (RFC 3339), C{level}, C{event} (what it is, whoever it is
    about), C{message}, C{system}, its fields, and C{traceback} if there is one.
    """
    fields: dict[str, Any] = {
        "time": _rfc3339(event.get("log_time") or 0.0),
        "level": _level(event).name,
        "event": event.get("event") or _kind(event),
        "message": _message(event),
        "system": event.get("log_namespace", "-"),
    }
    for key, value in event.items():
        if not key.startswith("log_") and key not in _LEGACY:
            fields.setdefault(key, value)
    if "log_failure" in event:
        fields["traceback"] = event["log_failure"].getTraceback()
    # All that is not ASCII is escaped, so that no character can do harm.
    return json.dumps(fields, default=str) + "\n"


def _journal_json_line(event: LogEvent) -> str:
    return _priority(event) + json_line(event)


#: By what C{--log-format} says, and whether journald reads it.
FORMATS: dict[tuple[str, bool], Callable[[LogEvent], str]] = {
    ("text", False): text_line,
    ("text", True): journal_line,
    ("json", False): json_line,
    ("json", True): _journal_json_line,
}

#: What the old logging system puts beside each event for itself.
_LEGACY = frozenset(
    {"message", "time", "system", "isError", "failure", "why", "format", "logLevel", "event"}
)


def _kind(event: LogEvent) -> str:
    """What an event without a name is: its words without its values."""
    words = event.get("log_format") or "message"
    return "message" if words == "{log_text}" else words


def _texts(event: LogEvent) -> Iterator[str]:
    """The message, and the lines of a traceback."""
    yield _plain(_message(event))
    if "log_failure" in event:
        yield from (_plain(line) for line in event["log_failure"].getTraceback().splitlines())


def _message(event: LogEvent) -> str:
    """What C{formatEvent} makes of it, at a third of the price where Python itself can tell."""
    words = event.get("log_format")
    if isinstance(words, str) and "(" not in words and "log_flattened" not in event:
        with suppress(Exception):
            return words.format_map(event)
    return formatEvent(event)


def _time(event: LogEvent) -> str:
    seconds = event.get("log_time")
    return formatTime(None) if seconds is None else _time_of(int(seconds))


@lru_cache(maxsize=1)  # Of many lines in a second, one is asked for it.
def _time_of(seconds: int) -> str:
    return formatTime(seconds)


def _plain(text: str) -> str:
    return _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)


def _level(event: LogEvent) -> Any:
    return event.get("log_level", LogLevel.info)


def _priority(event: LogEvent) -> str:
    return priority(_PRIORITIES.get(_level(event), 6))


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")


def observer_of(
    twistd: Mapping[str, Any], log_format: str, environment: Mapping[str, str]
) -> Any | None:
    """
    What writes the log to where C{twistd} would write it.

    @param twistd: the options of twistd itself.
    @return: L{None} where it has been told to log in some other way.
    """
    if twistd.get("logger") or twistd.get("syslog"):
        return None
    stream = _stream(twistd)
    line = FORMATS[log_format, leads_to_journal(stream, environment)]
    observer = FileLogObserver(stream, line)
    assert ILogObserver.providedBy(observer)
    return observer


def _stream(twistd: Mapping[str, Any]) -> TextIO:
    name = twistd.get("logfile")
    if name == "-" or (twistd.get("nodaemon") and not name):
        return sys.stdout
    file = LogFile.fromFullPath(name or _TWISTD_LOG)
    if not signal.getsignal(signal.SIGUSR1):
        signal.signal(signal.SIGUSR1, lambda number, frame: _rotate(file))
    stream: Any = file
    return stream  # type: ignore[no-any-return]


def _rotate(file: LogFile) -> None:
    from twisted.internet import reactor

    running: Any = reactor
    running.callFromThread(file.rotate)
