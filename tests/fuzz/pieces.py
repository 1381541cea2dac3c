"""What strangers may send, put together by Hypothesis from the fuzzers' dictionary."""

from __future__ import annotations

import re

from hypothesis import strategies as st

from fuzz.corpus import HERE

__all__ = ["pieces"]

_ENTRY = re.compile(r'"(.*)"')


def _words() -> list[bytes]:
    found = []
    for line in (HERE / "words.dict").read_text("ascii").splitlines():
        entry = _ENTRY.fullmatch(line)
        if entry is not None:
            found.append(entry[1].encode().decode("unicode_escape").encode("latin-1"))
    return found


def pieces(most: int = 40) -> st.SearchStrategy[bytes]:
    """Words of the protocol and steps of scripts, with whatever bytes between them."""
    piece = st.one_of(st.sampled_from(_words()), st.sampled_from([b" ", b"\n"]), st.binary())
    return st.lists(piece, max_size=most).map(b"".join)
