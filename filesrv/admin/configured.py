"""
What a configuration file says, for the check.  Reading it loads the daemon's options and
what they are made of, which nobody waits for who wants to know something else.
"""

from __future__ import annotations

import os
from contextlib import suppress

from filesrv.service.options import GROUPS, check_config
from filesrv.service.options.config import read_config
from filesrv.service.options.option import Text

__all__ = ["check_file"]

#: Where systemd/filesrv.service finds what systemd names for it; whoever
#: checks its configuration in a shell has nothing named.
_OF_THE_SERVICE = {
    "CONFIGURATION_DIRECTORY": "/etc/filesrv",
    "CREDENTIALS_DIRECTORY": "/etc/credstore",
    "STATE_DIRECTORY": "/var/lib/filesrv",
}


def check_file(path: str) -> tuple[list[str], str | None]:
    """
    All that is wrong with a file, each with its line, and which root it names.  In the
    environment, directories of systemd's that are not named get the service's, where the
    service is configured.
    """
    if os.path.isdir(_OF_THE_SERVICE["CONFIGURATION_DIRECTORY"]):
        for name, place in _OF_THE_SERVICE.items():
            os.environ.setdefault(name, place)
    root = None
    for setting in read_config(path, GROUPS).settings.get("root", ()):
        with suppress(ValueError):  # It is among what is wrong.
            root = Text().read(setting.text)
    return check_config(path), root
