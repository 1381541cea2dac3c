"""
What the daemon tells systemd (sd_notify(3)): that it is ready, what it does, that it is
alive.  Where nobody wants to know, nothing is told.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

__all__ = ["Systemd", "watchdog_seconds"]


class Systemd:
    """The one who started this process, if that was systemd."""

    def __init__(self, address: str | None) -> None:
        """
        @param address: of its socket, a path or C{@} and an abstract name; L{None} where
            there is none.
        """
        self._address = address and address.replace("@", "\0", 1)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Systemd:
        """As the environment says it."""
        address = environment.get("NOTIFY_SOCKET", "")
        return cls(address if address[:1] in ("/", "@") else None)

    @property
    def listens(self) -> bool:
        """Whether anybody wants to know."""
        return self._address is not None

    def tell(self, **fields: object) -> None:
        """
        Send fields in one datagram, which is lost rather than waited for.

        @param fields: in lower case, such as C{ready=1}.
        """
        if self._address is None:
            return
        message = "\n".join(f"{key.upper()}={value}" for key, value in fields.items())
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        with socket.socket(socket.AF_UNIX, kind) as sender, suppress(OSError):
            sender.sendto(message.encode(), self._address)


def watchdog_seconds(environment: Mapping[str, str]) -> float | None:
    """
    Within how many seconds systemd wants to hear that this process is alive; L{None} where
    it does not (sd_watchdog_enabled(3)).
    """
    wanted = environment.get("WATCHDOG_USEC", "")
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(wanted) / 1e6 if wanted.isdigit() and int(wanted) else None
