"""
What the client keeps between its runs, in the user's own state directory: who it is to
servers, what uploads it began, and what came in from pipes.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

__all__ = ["State", "write_whole"]

#: Bytes of randomness in a token; 32 characters of the 64 that it may have at most.
_TOKEN_BYTES = 24


def write_whole(path: str, data: bytes, *, fresh: str, directory: int | None = None) -> None:
    """
    Put C{data} in a file for its owner alone, so that whoever reads it finds all of it
    or what was there before, whenever this process is killed.

    @param fresh: where it is written first, beside C{path}.
    @param directory: the descriptor of the directory that both paths start from.
    @raise OSError: the disk failed.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(fresh, flags, 0o600, dir_fd=directory)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(fresh, path, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with suppress(OSError):
            os.unlink(fresh, dir_fd=directory)
        raise


class State:
    """
    The directory.  Nothing is made before it is needed.

    @ivar path: C{$XDG_STATE_HOME/filesrv}, or C{~/.local/state/filesrv} (XDG Base
        Directory Specification).
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        home = environment.get("XDG_STATE_HOME", "")
        if not os.path.isabs(home):  # As the specification has it for a relative one.
            home = os.path.join(environment.get("HOME") or os.path.expanduser("~"), ".local/state")
        self.path = Path(home) / "filesrv"

    def directory(self, name: str = "") -> Path:
        """
        The directory, or one in it; made if it is missing.

        @raise OSError: it cannot be.
        """
        wanted = self.path / name
        wanted.mkdir(parents=True, exist_ok=True, mode=0o700)
        return wanted

    def token(self) -> str:
        """
        Who this user is to servers, whatever the address: the same from run to run.

        @raise OSError: it cannot be kept.
        """
        path = self.directory() / "token"
        for _ in range(2):
            with suppress(FileNotFoundError):
                found = path.read_text("ascii", "replace").strip()
                if 16 <= len(found) <= 64 and found.replace("-", "").replace("_", "").isalnum():
                    return found
                path.unlink()  # Cut short, or edited.
            self._make_token(path)
        return path.read_text("ascii").strip()

    def _make_token(self, path: Path) -> None:
        """Two first runs at once agree on one: link(2) takes only the first."""
        made = path.with_name(f".token.{secrets.token_hex(4)}")
        token = secrets.token_urlsafe(_TOKEN_BYTES).encode()
        write_whole(str(made), token + b"\n", fresh=f"{made}~")
        with suppress(FileExistsError):
            os.link(made, path)
        os.unlink(made)
