"""Where something listens, as an option says it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from twisted.python.usage import UsageError

from filesrv.service.endpoints import endpoint_of

__all__ = ["Listening"]


#: A socket that systemd opens, whatever is spoken there.
_OF_SYSTEMD = re.compile(r"(?:[a-z]+:)?systemd:")


@dataclass(frozen=True)
class Listening:
    """
    A port number, or a Twisted endpoint description.

    @ivar option: its name.
    """

    option: str
    toml: tuple[type, ...] = (str, int)

    def read(self, text: str) -> str:
        if _OF_SYSTEMD.match(text):
            # Which sockets there are is known in the service alone, not where its
            # options are checked.
            return text
        try:
            endpoint_of(None, text, self.option)
        except UsageError as error:
            raise ValueError(str(error).removeprefix(f"--{self.option} ")) from None
        return text
