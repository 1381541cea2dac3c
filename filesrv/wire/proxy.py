"""
The line, or the bytes, in which a proxy says whose connection it passes on: the PROXY
protocol of HAProxy, versions 1 and 2 (``doc/proxy-protocol.txt`` of HAProxy).
"""

from __future__ import annotations

import ipaddress
import struct
from typing import NamedTuple

__all__ = ["MAX_HEADER", "ProxyHeader", "read_proxy_header"]

_VERSION_1, _VERSION_2 = b"PROXY ", b"\r\n\r\n\x00\r\nQUIT\n"

#: Bytes of a header of version 1 with its CR LF, the longest of two IPv6 addresses.
_MAX_LINE = 107
#: Of version 2: behind the signature come version and command, family, and a length.
_FIXED = struct.Struct("!BBH")
_LOCAL, _PROXY = 0x20, 0x21
#: Bytes of an address, by family; over TCP or UDP, which is not told apart here.
_ADDRESS_SIZES = {0x11: 4, 0x12: 4, 0x21: 16, 0x22: 16}

#: The most that a header of either version has.
MAX_HEADER = len(_VERSION_2) + _FIXED.size + 0xFFFF


class ProxyHeader(NamedTuple):
    """
    What a proxy said.

    @ivar host: the client's address; L{None} where the proxy speaks for itself, or
        does not know.
    @ivar rest: the bytes behind the header.
    """

    host: str | None
    port: int
    rest: bytes


def read_proxy_header(data: bytes) -> ProxyHeader | None:
    """
    The header that C{data} begins with; L{None} while more has to come.

    @raise ValueError: it begins with none.
    """
    if data.startswith(_VERSION_2):
        return _version_2(data)
    if data.startswith(_VERSION_1):
        return _version_1(data)
    if data == _VERSION_1[: len(data)] or data == _VERSION_2[: len(data)]:
        return None
    raise ValueError("not a PROXY header")


def _version_1(data: bytes) -> ProxyHeader | None:
    line, end, rest = data.partition(b"\r\n")
    if len(line) > _MAX_LINE - 2:
        raise ValueError("a PROXY header is shorter")
    if not end:
        return None
    words = line.decode("ascii").split(" ")
    if words[1] == "UNKNOWN":
        return ProxyHeader(None, 0, rest)
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6") or not words[4].isdigit():
        raise ValueError("not a PROXY header")
    host = ipaddress.ip_address(words[2])
    if host.version != int(words[1][-1]) or int(words[4]) > 0xFFFF:
        raise ValueError("no address of that family, or no port")
    return ProxyHeader(str(host), int(words[4]), rest)


def _version_2(data: bytes) -> ProxyHeader | None:
    start = len(_VERSION_2) + _FIXED.size
    if len(data) < start:
        return None
    command, family, length = _FIXED.unpack_from(data, len(_VERSION_2))
    if command not in (_LOCAL, _PROXY):
        raise ValueError("neither LOCAL nor PROXY of version 2")
    if len(data) < start + length:
        return None
    body, rest = data[start : start + length], data[start + length :]
    size = _ADDRESS_SIZES.get(family)
    if command == _LOCAL or size is None:
        return ProxyHeader(None, 0, rest)
    if length < 2 * size + 4:
        raise ValueError("too short for its addresses")
    (port,) = struct.unpack_from("!H", body, 2 * size)
    return ProxyHeader(str(ipaddress.ip_address(body[:size])), port, rest)
