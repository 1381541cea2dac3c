"""
What a name is.  Where it leads is the business of L{filesrv.store.root} alone.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from filesrv.wire.errors import BadName

__all__ = [
    "ADMIN_SOCKET",
    "MAX_NAME",
    "MAX_PART",
    "STATE_DIRECTORY",
    "check_directory",
    "check_name",
]

#: Bytes of a whole name.
MAX_NAME = 1024

#: Bytes of one part: NAME_MAX of every common file system.
MAX_PART = 255

#: Where the server keeps its own state, under its root; no name leads there.
STATE_DIRECTORY = ".filesrv"

#: The socket there that an administrator asks at.
ADMIN_SOCKET = "admin.sock"

#: Categories of characters that some file systems leave out when they compare names
#: (format characters and marks; ext4 with casefold leaves out Default_Ignorable_Code_Point).
_UNSEEN = frozenset({"Cf", "Mn", "Me"})

#: All characters of the category Cc, of which Unicode has promised never to have others.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")


@lru_cache(maxsize=64)  # A command checks its name at each step that is taken with it.
def check_name(name: str) -> str:
    """
    Return C{name} if it may be a file's.

    @raise BadName: it is empty, absolute, too long, not UTF-8, climbs with ``..``, has
        empty parts or control characters, or is the server's own.
    """
    try:
        encoded = name.encode("utf-8")
    except UnicodeEncodeError:
        raise BadName("a name is UTF-8") from None
    if len(encoded) > MAX_NAME:
        raise BadName(f"a name has at most {MAX_NAME} bytes")
    if _CONTROLS.search(name):
        raise BadName("a name has no control characters")
    parts = name.split("/")
    if _leads_to_state(parts[0]):
        raise BadName("that name is the server's own")
    for part in parts:
        if part in ("", ".", ".."):
            raise BadName("a name is a relative path without empty parts, . and ..")
        if len(encoded) > MAX_PART and len(part.encode("utf-8")) > MAX_PART:
            raise BadName(f"a part of a name has at most {MAX_PART} bytes")
    return name


def _leads_to_state(part: str) -> bool:
    """
    Whether any file system takes C{part} for L{STATE_DIRECTORY}: without regard to case,
    to what is not seen (ext4 with casefold), or to dots and blanks at the end (vfat).
    """
    if not part.isascii():
        folded = unicodedata.normalize("NFD", part).casefold()
        part = "".join(each for each in folded if unicodedata.category(each) not in _UNSEEN)
    return part.rstrip(". ").lower() == STATE_DIRECTORY


def check_directory(name: str) -> str:
    """
    Like L{check_name}, for a directory: one ``/`` at the end is dropped, as LIST shows
    it, and C{""} is the root.

    @raise BadName: as L{check_name}.
    """
    name = name[:-1] if name.endswith("/") and name != "/" else name
    return check_name(name) if name else ""
