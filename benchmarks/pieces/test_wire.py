"""
Lines: what is done for every command and every reply.
"""

from __future__ import annotations

from typing import Any

from filesrv.server.commands import COMMANDS
from filesrv.wire.errors import NotFound
from filesrv.wire.grammar import split_verb
from filesrv.wire.replies import err, ok, parse_reply
from filesrv.wire.telnet import strip_telnet

#: What an UPLOAD looks like when it comes from the command.
UPLOAD = b'UPLOAD "photos/a day at the sea.raw" 3000000 commit=ask modified=2026-11-20T12:16:31Z'

#: The reply to a DOWNLOAD.
REPLY = (
    b"OK offset=0 length=3000000 size=3000000 version=8be43106b4d5f51d-3000000 "
    b"modified=2026-11-20T12:16:31Z"
)


def _bound(line: bytes) -> object:
    verb, text = split_verb(line)
    return COMMANDS[verb].syntax.bind(verb, text)


def test_an_echo_is_parsed(benchmark: Any) -> None:
    assert benchmark(_bound, b"ECHO is anybody there")


def test_a_download_is_parsed(benchmark: Any) -> None:
    assert benchmark(_bound, b"DOWNLOAD photo.raw 400 if=9f3c-1000")


def test_an_upload_with_quotes_and_options_is_parsed(benchmark: Any) -> None:
    assert benchmark(_bound, UPLOAD)


def test_an_ok_is_formatted(benchmark: Any) -> None:
    line = benchmark(ok, offset=0, length=3000000, size=3000000, version="8be43106b4d5f51d-3000000")
    assert line.startswith(b"OK offset=0")


def test_a_refusal_is_formatted(benchmark: Any) -> None:
    assert benchmark(err, NotFound("there is no file of that name")).startswith(b"ERR NOT_FOUND")


def test_a_reply_is_read(benchmark: Any) -> None:
    assert benchmark(parse_reply, REPLY).fields["length"] == "3000000"


def test_a_line_without_telnet_is_passed_on(benchmark: Any) -> None:
    assert benchmark(strip_telnet, UPLOAD) == (UPLOAD, False)


def test_a_line_with_telnets_negotiation_is_stripped(benchmark: Any) -> None:
    line = b"\xff\xfd\x03\xff\xfb\x18" + UPLOAD + b"\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0"
    assert benchmark(strip_telnet, line) == (UPLOAD, False)
