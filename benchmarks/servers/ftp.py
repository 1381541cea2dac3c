"""
The servers of FTP (RFC 959), passive, without passwords.
"""

from __future__ import annotations

import ftplib
import socket
from collections.abc import Sequence
from pathlib import Path

from benchmarks.servers.base import Server, Session, module_command
from benchmarks.support.machine import installed
from benchmarks.support.wire import patient

__all__ = ["FtpServer", "PyFtpdLib", "TwistedFtp", "Vsftpd"]

#: vsftpd.conf(5).  It runs as whoever runs the measurements, so that all own their files.
_VSFTPD = """\
listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
run_as_launching_user=YES
anonymous_enable=YES
no_anon_password=YES
anon_root={root}
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
anon_world_readable_only=NO
anon_umask=022
allow_writeable_chroot=YES
write_enable=YES
secure_chroot_dir={empty}
xferlog_enable=NO
seccomp_sandbox=NO
max_per_ip=0
"""


class FtpServer(Server):
    """One that speaks FTP."""

    def session(self) -> Session:
        return _Session(self.port)


class Vsftpd(FtpServer):
    """In C, a process for each client."""

    name = "vsftpd"
    program = "vsftpd"

    def command(self, place: Path) -> Sequence[str]:
        configuration, empty = place / "vsftpd.conf", place / "empty"
        empty.mkdir()
        configuration.write_text(_VSFTPD.format(port=self.port, root=self.root, empty=empty))
        return [installed("vsftpd") or "vsftpd", str(configuration)]


class PyFtpdLib(FtpServer):
    """In Python, one thread, with sendfile."""

    name = "pyftpdlib"
    modules = ("pyftpdlib",)

    def command(self, place: Path) -> Sequence[str]:
        return module_command("pyftpdlib_server", self.port, self.root)


class TwistedFtp(FtpServer):
    """In Python, one thread: the one that comes with Twisted."""

    name = "Twisted FTP"
    modules = ("twisted",)

    def command(self, place: Path) -> Sequence[str]:
        return module_command("twisted_ftp_server", self.port, self.root)


class _Session(Session):
    """A connection for the commands, and one for each file."""

    def __init__(self, port: int) -> None:
        self._ftp = ftplib.FTP(timeout=60)
        self._ftp.connect("127.0.0.1", port)
        assert self._ftp.sock is not None
        patient(self._ftp.sock)
        self._ftp.login()
        self._ftp.voidcmd("TYPE I")
        self._data: socket.socket | None = None

    def fetch(self, name: str) -> tuple[socket.socket, int]:
        # Only some say in the reply how much will come.
        length = self._ftp.size(name)
        assert length is not None
        self._data = patient(self._ftp.transfercmd(f"RETR {name}"))
        return self._data, length

    def fetched(self) -> None:
        self._end()

    def store(self, name: str, size: int, digest: str) -> socket.socket:
        self._data = patient(self._ftp.transfercmd(f"STOR {name}"))
        return self._data

    def stored(self) -> None:
        self._end()

    def _end(self) -> None:
        assert self._data is not None
        self._data.close()
        self._ftp.voidresp()

    def close(self) -> None:
        self._ftp.close()
