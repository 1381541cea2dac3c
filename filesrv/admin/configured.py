"""
What a configuration file says, for the check.  Reading it loads the daemon's options and
what they are made of, which nobody waits for who wants to know something else.
"""

from __future__ import annotations

from filesrv.service.options import GROUPS, check_config
from filesrv.service.options.config import read_config

__all__ = ["check_file"]


def check_file(path: str) -> tuple[list[str], str | None]:
    """All that is wrong with a file, each with its line, and which root it names."""
    settings = read_config(path, GROUPS).settings.get("root")
    return check_config(path), settings[-1].text if settings else None
