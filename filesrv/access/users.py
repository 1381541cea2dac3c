"""
What a user's name is.
"""

from __future__ import annotations

import re

__all__ = ["ANONYMOUS", "check_user", "is_user"]

#: Stands, where rights and homes are, for everybody who has not logged in.
ANONYMOUS = "anonymous"

#: A letter or digit of any script first, so that no name hides, climbs or looks like an
#: option.  63 characters have at most 252 bytes: such a name can be that of a directory.
_USER = re.compile(r"[^\W_][\w.@+-]{0,62}")


def is_user(name: str) -> bool:
    """Whether somebody may be called that."""
    return _USER.fullmatch(name) is not None and name != ANONYMOUS


def check_user(name: str) -> str:
    """
    Return C{name} if it may be a user's.

    @raise ValueError: it may not.
    """
    if is_user(name):
        return name
    raise ValueError(
        f"{name!a} is no name of a user: 1 to 63 letters, digits and . _ - @ +, a letter or "
        f"digit first, and not {ANONYMOUS}"
    )
