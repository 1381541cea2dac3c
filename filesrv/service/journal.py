"""
What journald wants to know of a line: how much it matters (sd-daemon(3)).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

__all__ = ["ERROR", "complaint", "leads_to_journal", "priority"]

#: Of syslog(3).
ERROR = 3


def priority(number: int) -> str:
    """What journald reads, and takes away, in front of a line."""
    return f"<{number}>"


def leads_to_journal(stream: Any, environment: Mapping[str, str]) -> bool:
    """Whether journald has the stream, which it names in JOURNAL_STREAM (systemd.exec(5))."""
    try:
        status = os.fstat(stream.fileno())
    except (AttributeError, OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def complaint(words: str, stream: Any, environment: Mapping[str, str]) -> str:
    """
    Why the daemon does not start, line by line, before there is a log.

    @param stream: where it will be said.
    """
    mark = priority(ERROR) if leads_to_journal(stream, environment) else ""
    return "\n".join(f"{mark}filesrv: {line}" for line in words.splitlines())
