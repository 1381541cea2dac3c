"""
The servers that are compared, each behind the same two classes.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.servers.bare import Bare
from benchmarks.servers.base import Server
from benchmarks.servers.echoing import BareLines
from benchmarks.servers.ftp import PyFtpdLib, TwistedFtp, Vsftpd
from benchmarks.servers.nginx import Nginx
from benchmarks.servers.ours import AsItComes, Unverified
from benchmarks.servers.rsync import Rsync

__all__ = ["SERVERS"]

#: Who is measured, by the name that the tables show.
SERVERS: dict[str, Callable[[], Server]] = {
    each.name: each
    for each in (
        Bare,
        BareLines,
        Unverified,
        AsItComes,
        Vsftpd,
        PyFtpdLib,
        TwistedFtp,
        Nginx,
        Rsync,
    )
}
