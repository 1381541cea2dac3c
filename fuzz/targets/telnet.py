"""Telnet's commands in lines, against a second reading of RFC 854 byte by byte."""

from __future__ import annotations

from filesrv.wire.telnet import strip_telnet, timing_marks
from fuzz.reference import telnet_line, without_telnet

__all__ = ["check"]


def check(data: bytes) -> None:
    """
    @raise AssertionError: a line is read otherwise than it should be.
    """
    within = also_within = False
    for line in data.split(b"\n"):
        marks = without_telnet(line)[2]
        assert timing_marks(line) == b"\xff\xfc\x06" * marks
        stripped, within = strip_telnet(line, within)
        expected, also_within = telnet_line(line, also_within)
        assert (stripped, within) == (expected, also_within)
        assert len(stripped) <= len(line)
