"""
What an administrator is shown of clients: never the whole of a token, which is a secret.
"""

from __future__ import annotations

import re

__all__ = ["shown_client", "shown_text"]

#: What HELLO takes; addresses and users have other characters in them.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)


def shown_client(client: str) -> str:
    """The registry's key of a client; of a token, enough to tell a few from each other."""
    return f"{client[:4]}…" if _TOKEN.fullmatch(client) else client


def shown_text(text: str) -> str:
    """C{text} with everything escaped that a terminal or a log would obey."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
