"""
Where the server is, as people write it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["DEFAULT_PORT", "ServerAddress"]

#: What the daemon's documentation uses.
DEFAULT_PORT = 9000
DEFAULT_TLS_PORT = 9443

_SCHEME = "tls://"

_FORMS = re.compile(r"\[(?P<bracketed>[^\[\]]+)\](?P<rest>.*)|(?P<plain>.*)", re.DOTALL)


class ServerAddress(NamedTuple):
    """
    @ivar host: a name, or an address without brackets.
    @ivar tls: whether TLS is spoken there from the first byte.
    """

    host: str
    port: int = DEFAULT_PORT
    tls: bool = False

    @classmethod
    def parse(cls, text: str) -> ServerAddress:
        """
        C{HOST}, C{HOST:PORT}, C{[V6]}, C{[V6]:PORT}, or a bare V6; each perhaps behind
        C{tls://}.

        @raise ValueError: none of these.
        """
        bare = text.strip().removeprefix(_SCHEME)
        tls = bare != text.strip()
        match = _FORMS.fullmatch(bare)
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
        default = DEFAULT_TLS_PORT if tls else DEFAULT_PORT
        return cls(host, _port(rest[1:]) if rest else default, tls)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{_SCHEME * self.tls}{host}:{self.port}"


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or not 0 < int(text) < 65536:
        raise ValueError(f"{text!r} is no port: 1 to 65535")
    return int(text)
