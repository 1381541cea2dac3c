"""
Telnet's negotiation, taken out of lines (RFC 854, RFC 855).

A telnet client sends commands behind the byte 0xFF (IAC), for instance when Ctrl-C is
typed.  They mean nothing here, but one of them wants an answer.  A payload is never
passed through this module.
"""

from __future__ import annotations

import re

__all__ = ["IAC", "strip_telnet", "timing_marks"]

IAC = 0xFF
_DO_TIMING_MARK, _WONT_TIMING_MARK = b"\xff\xfd\x06", b"\xff\xfc\x06"
_SB, _SE = 0xFA, 0xF0

_SEQUENCE = re.compile(
    rb"\xff(?:"
    rb"\xfa(?:[^\xff]|\xff[^\xf0])*?(?:\xff\xf0|(?P<open>\xff?)\Z)"  # SB ... SE, or an open end
    rb"|[\xfb-\xfe](?s:.)?"  # WILL, WONT, DO, DONT and an option
    rb"|(?P<meant>\xff)"  # an 0xFF that was meant
    rb"|[\xf0-\xf9]"  # the other commands have no parameter
    rb"|)",  # 0xFF before anything else says nothing
    re.DOTALL,
)
_REST_OF_SUBNEGOTIATION = re.compile(rb"\A(?:[^\xff]|\xff[^\xf0])*?\xff\xf0", re.DOTALL)


def strip_telnet(line: bytes, subnegotiating: bool = False) -> tuple[bytes, bool]:
    """
    C{line} without telnet's commands, and whether it ends inside a subnegotiation.

    An LF always ends a line, so a subnegotiation that holds that byte (a window ten
    rows high) reaches into the next line.  It is cut there if it ends there; if not,
    the line is taken as typed, so that no stray byte can silence a connection.

    @param subnegotiating: what the previous line's call returned.
    """
    if subnegotiating:
        line = _REST_OF_SUBNEGOTIATION.sub(b"", line, count=1)
    if IAC not in line:
        return line, False
    # Only the sequences tell what an 0xFF 0xFA is: behind another 0xFF it is data.
    sequences = list(_SEQUENCE.finditer(line))
    still = sequences[-1]["open"] is not None
    return _SEQUENCE.sub(_replacement, line), still


def timing_marks(line: bytes) -> bytes:
    """
    What is to be answered to the timing marks that C{line} asks for (RFC 860).

    telnet asks for one when Ctrl-C is typed, and shows nothing that comes before the
    answer: without it, a person would never see another reply.
    """
    asked = sum(match[0] == _DO_TIMING_MARK for match in _SEQUENCE.finditer(line))
    return _WONT_TIMING_MARK * asked


def _replacement(match: re.Match[bytes]) -> bytes:
    return match["meant"] or b""
