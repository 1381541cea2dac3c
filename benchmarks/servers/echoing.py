"""
The reference for short commands: what Twisted gives to whoever writes nothing but an echo.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.servers.base import Server, module_command

__all__ = ["BareLines"]


class BareLines(Server):
    """A LineReceiver that echoes."""

    name = "bare LineReceiver"

    def command(self, place: Path) -> Sequence[str]:
        return module_command("line_receiver", self.port)
