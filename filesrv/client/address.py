"""
Where the server is, as people write it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["DEFAULT_PORT", "ServerAddress"]

#: What the daemon's documentation uses.
DEFAULT_PORT = 9000

_FORMS = re.compile(r"\[(?P<bracketed>[^\[\]]+)\](?P<rest>.*)|(?P<plain>.*)", re.DOTALL)


@dataclass(frozen=True)
class ServerAddress:
    """
    @ivar host: a name, or an address without brackets.
    """

    host: str
    port: int = DEFAULT_PORT

    @classmethod
    def parse(cls, text: str) -> ServerAddress:
        """
        C{HOST}, C{HOST:PORT}, C{[V6]}, C{[V6]:PORT}, or a bare V6.

        @raise ValueError: none of these.
        """
        match = _FORMS.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is no server: HOST, HOST:PORT or [ADDRESS]:PORT")
        host, rest = match["bracketed"], match["rest"]
        if host is None:
            host, rest = match["plain"], ""
            if host.count(":") == 1:
                host, _, port = host.partition(":")
                rest = f":{port}"
        if not host or re.search(r"[\s/\[\]]", host) or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r} is no server: HOST, HOST:PORT or [ADDRESS]:PORT")
        return cls(host, _port(rest[1:]) if rest else DEFAULT_PORT)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or not 0 < int(text) < 65536:
        raise ValueError(f"{text!r} is no port: 1 to 65535")
    return int(text)
