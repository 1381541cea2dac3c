"""
The password file: a line C{user:hash} for each user, in the order in which they came.
"""

from __future__ import annotations

import os
from contextlib import suppress
from tempfile import mkstemp

from twisted.logger import Logger

from filesrv.access.passwords import check_hash
from filesrv.access.users import check_user

__all__ = ["PasswordFile", "WrongPasswordFile", "change_passwords", "read_passwords"]


class WrongPasswordFile(Exception):
    """A password file cannot be used; the words, for the administrator, name the line."""


def read_passwords(path: str) -> dict[str, str]:
    """
    The users of a password file and their hashes.

    @raise WrongPasswordFile: it cannot be read, or a line is wrong.
    """
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().split("\n")
    except OSError as error:
        raise WrongPasswordFile(f"{path}: {os.strerror(error.errno or 0)}") from error
    except UnicodeDecodeError:
        raise WrongPasswordFile(f"{path} is not UTF-8") from None
    users: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        user, _, kept = line.strip().partition(":")
        try:
            if check_user(user) in users:
                raise ValueError(f"{user} is there twice")
            check_hash(kept)
        except ValueError as error:
            raise WrongPasswordFile(
                f"{path}, line {number}: {error}; filesrv passwd writes such files"
            ) from None
        users[user] = kept
    return users


def change_passwords(path: str, user: str, kept: str | None) -> None:
    """
    Give a user a password, or remove the user.  Whoever reads the file meanwhile finds all
    of the old one or all of the new one.  Comments are not kept.

    @param kept: the hash; L{None} to remove the user.
    @raise KeyError: the user to be removed is not there.
    @raise WrongPasswordFile: what is there cannot be read.
    @raise OSError: the file cannot be written.
    """
    path = os.path.realpath(path)  # A link to the file stays one.
    users = read_passwords(path) if os.path.exists(path) else {}
    if kept is None:
        del users[user]
    else:
        users[user] = kept
    descriptor, new = mkstemp(prefix=".passwords-", dir=os.path.dirname(path))  # mode 0600
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.writelines(f"{name}:{hash_}\n" for name, hash_ in users.items())
            file.flush()
            os.fsync(file.fileno())
        _keep_owner(path, new)
        os.replace(new, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(new)
        raise


def _keep_owner(old: str, new: str) -> None:
    """Who could read the file before, such as the daemon, can after root has changed it."""
    with suppress(FileNotFoundError, PermissionError):
        found = os.stat(old)
        os.chown(new, found.st_uid, found.st_gid)


class PasswordFile:
    """A password file that is read again when it has changed."""

    _log = Logger()

    def __init__(self, path: str) -> None:
        """
        @raise WrongPasswordFile: it cannot be read, or a line is wrong.
        """
        self._path = path
        self._version = self._now()
        self._users = read_passwords(path)

    def find(self, user: str) -> str | None:
        """The hash of a user's password, if there is such a user."""
        now = self._now()
        if now != self._version:
            self._version = now
            try:
                self.reload()
            except WrongPasswordFile as error:
                self._log.error("the users stay as they were: {error}", error=error)
        return self._users.get(user)

    def reload(self) -> None:
        """
        Read the file again.

        @raise WrongPasswordFile: that cannot be; the users stay as they were.
        """
        self._users = read_passwords(self._path)

    def _now(self) -> tuple[int, ...] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
