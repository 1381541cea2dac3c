"""
Whether one change of a file came right after another, as the times of both tell.

The times that a kernel gives mostly stand still for a tick of 1 to 10 milliseconds, so that
two changes right after each other have the same one.  Since Linux 6.13 a file that was looked
at and is changed again within that tick has an exact time instead; so look at the one that
is to be the earlier before it is changed.
"""

from __future__ import annotations

__all__ = ["follows"]

#: Nanoseconds between two calls of one process that nobody has come between.
AT_ONCE = 200_000


def follows(later: int, earlier: int) -> bool:
    """
    Whether a change followed another one at once.  What somebody else does within the same
    tick looks as if it did; on a file system that counts seconds, within the same second.

    @param later: the time of the change, in nanoseconds.
    @param earlier: that of the one before.
    """
    return 0 <= later - earlier <= AT_ONCE
