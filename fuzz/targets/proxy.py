"""What a proxy says first, and what somebody says who is none."""

from __future__ import annotations

import ipaddress

from filesrv.wire.proxy import MAX_HEADER, read_proxy_header

__all__ = ["check"]


def check(data: bytes) -> None:
    """
    @raise AssertionError: a header is no address, eats what stands behind it, or is read
        otherwise when it comes in pieces.
    """
    whole = _read(data)
    for cut in range(0, min(len(data), 300), 7):
        early = _read(data[:cut])
        if early is None:
            continue
        assert whole is not None
        assert early[:2] == whole[:2]
        if early[0] != "none":
            assert early[2] + data[cut:] == whole[2]
    if whole is None:
        assert len(data) < MAX_HEADER
    elif whole[0] not in ("none", "unknown"):
        assert str(ipaddress.ip_address(whole[0])) == whole[0]
        assert 0 <= whole[1] <= 0xFFFF
    if whole is not None and whole[0] != "none":
        assert data.endswith(whole[2])


def _read(data: bytes) -> tuple[str, int, bytes] | None:
    try:
        header = read_proxy_header(data)
    except ValueError:
        return "none", 0, b""
    return None if header is None else (header.host or "unknown", header.port, header.rest)
