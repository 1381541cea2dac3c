"""
The echo over UDP (RFC 862): a datagram comes back as it was.
"""

from __future__ import annotations

from filesrv.small_services.guarded import GuardedService

__all__ = ["UDPEcho"]


class UDPEcho(GuardedService):
    """As many bytes go out as came in, to the one whose address is on them."""

    name = "UDP echo"

    def answer_to(self, data: bytes) -> bytes:
        return data
