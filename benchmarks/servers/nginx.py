"""
nginx, with the PUT of its DAV module.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.servers.base import Server, Session
from benchmarks.support.machine import installed
from benchmarks.support.wire import connect, read_head

__all__ = ["Nginx"]

#: As Debian configures it where that makes a difference: sendfile and tcp_nopush on.  What
#: comes in waits on the same file system, so that a rename puts it in its place.
_NGINX = """\
daemon off;
{user}
worker_processes 1;
pid {place}/nginx.pid;
error_log {place}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_max_body_size 0;
    client_body_temp_path {place}/body;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi;
    scgi_temp_path {place}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            root {root};
            dav_methods PUT DELETE;
            create_full_put_path on;
        }}
    }}
}}
"""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Nginx(Server):
    """In C, one worker."""

    name = "nginx"
    program = "nginx"

    def missing(self) -> str | None:
        if missing := super().missing():
            return missing
        command = [installed("nginx") or "nginx", "-V"]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        return None if "http_dav_module" in built.stderr else "nginx with its DAV module"

    def command(self, place: Path) -> Sequence[str]:
        user = "user root;" if os.geteuid() == 0 else ""
        configuration = place / "nginx.conf"
        configuration.write_text(
            _NGINX.format(place=place, port=self.port, root=self.root, user=user)
        )
        return [installed("nginx") or "nginx", "-p", str(place), "-c", str(configuration)]

    def session(self) -> Session:
        return _Session(self.port)


class _Session(Session):
    """HTTP/1.1, the connection kept."""

    def __init__(self, port: int) -> None:
        self._socket = connect(port)

    def fetch(self, name: str) -> tuple[socket.socket, int]:
        self._socket.sendall(f"GET /{name} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = read_head(self._socket, b"\r\n\r\n")
        length = _LENGTH.search(head)
        assert b" 200 " in head, head
        assert length, head
        return self._socket, int(length[1])

    def fetched(self) -> None:
        """Nothing comes."""

    def store(self, name: str, size: int, digest: str) -> socket.socket:
        head = f"PUT /{name} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
        self._socket.sendall(head.encode())
        return self._socket

    def stored(self) -> None:
        head = read_head(self._socket, b"\r\n\r\n")
        assert b" 201 " in head or b" 204 " in head, head
        length = _LENGTH.search(head)
        left = int(length[1]) if length else 0
        while left:
            left -= len(self._socket.recv(left))

    def close(self) -> None:
        self._socket.close()
