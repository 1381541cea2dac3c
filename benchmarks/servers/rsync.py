"""
rsync's daemon; nobody but rsync speaks to it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks.servers.base import Server
from benchmarks.support.machine import installed

__all__ = ["Rsync"]

#: rsyncd.conf(5).  Started by root it would become nobody.
_RSYNCD = """\
use chroot = no
uid = {uid}
gid = {gid}
pid file = {place}/rsyncd.pid
log file = {place}/rsyncd.log
[files]
    path = {root}
    read only = no
"""


class Rsync(Server):
    """In C, a process for each client."""

    name = "rsync"
    program = "rsync"

    def command(self, place: Path) -> Sequence[str]:
        configuration = place / "rsyncd.conf"
        configuration.write_text(
            _RSYNCD.format(place=place, root=self.root, uid=os.geteuid(), gid=os.getegid())
        )
        return [
            installed("rsync") or "rsync",
            "--daemon",
            "--no-detach",
            f"--config={configuration}",
            "--address=127.0.0.1",
            f"--port={self.port}",
        ]
