"""
What may be done with a name.
"""

from __future__ import annotations

import enum

__all__ = ["Right"]


class Right(enum.Flag):
    """What somebody may do in a directory; several of them are joined with C{|}."""

    NONE = 0
    READ = enum.auto()
    """Fetch the content of files."""
    WRITE = enum.auto()
    """Make files, but replace none."""
    DELETE = enum.auto()
    """Delete files, rename them away, and replace them."""
    LIST = enum.auto()
    """See which files there are."""
    ALL = READ | WRITE | DELETE | LIST
