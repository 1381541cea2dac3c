"""
Who checks passwords: those that Twisted's plugins describe, and our own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from twisted.cred import strcred
from twisted.cred.checkers import ICredentialsChecker, InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory
from twisted.internet.defer import Deferred, fail, succeed
from twisted.plugin import IPlugin
from zope.interface import implementer

from filesrv.access.password_file import PasswordFile
from filesrv.access.passwords import decoy, verify

__all__ = ["AuthOptions", "HashedPasswords", "HashedPasswordsFactory"]

#: What C{--auth} calls a file that C{filesrv passwd} has written.
AUTH_TYPE = "filesrv"

#: What Twisted calls a file of passwords in plain text.  Nobody should have such a file, and
#: who says C{file:passwd} means the one that C{filesrv passwd} has written.
_TWISTED_FILE = "file"


@implementer(ICredentialsChecker)
class HashedPasswords:
    """
    Checks passwords against a file's hashes, and takes as long with who is not in it.

    @ivar file: the users and their hashes.
    """

    credentialInterfaces = (IUsernamePassword,)  # noqa: N815

    def __init__(self, file: PasswordFile, verify: Callable[[str, bytes], bool] = verify) -> None:
        self.file = file
        self._verify = verify
        decoy()  # Made now, or the first stranger would wait longer than others.

    def requestAvatarId(self, credentials: Any) -> Deferred[bytes | tuple[()]]:
        """
        The name of the user whose password that is; fails with L{UnauthorizedLogin}.
        """
        kept = self.file.find(credentials.username.decode("utf-8", "replace"))
        agrees = self._verify(kept or decoy(), credentials.password)
        if agrees and kept is not None:
            return succeed(credentials.username)
        return fail(UnauthorizedLogin())


@implementer(ICheckerFactory, IPlugin)
class HashedPasswordsFactory:
    """The plugin by which any twistd service can use a file of C{filesrv passwd}."""

    authType = AUTH_TYPE  # noqa: N815
    authHelp = (  # noqa: N815
        "A file of users and the Argon2id hashes of their passwords, which\n"
        '"filesrv passwd FILE USER" writes. It is read again when it has changed.\n'
        "filesrv itself also takes file:PATH for that."
    )
    argStringFormat = "the path of a file that filesrv passwd has written"  # noqa: N815
    credentialInterfaces = (IUsernamePassword,)  # noqa: N815

    def generateChecker(self, argstring: str) -> HashedPasswords:  # noqa: N802
        """
        @raise WrongPasswordFile: it cannot be read, or a line is wrong.
        """
        return HashedPasswords(PasswordFile(argstring))


class AuthOptions(strcred.AuthOptionMixin, dict[str, Any]):
    """
    What Twisted's options make of C{--auth}, C{--help-auth} and C{--help-auth-type}.
    """

    supportedInterfaces = (IUsernamePassword,)  # noqa: N815

    @property
    def checkers(self) -> list[ICredentialsChecker]:
        """Those that were described, in that order."""
        return list(self.get("credCheckers", ()))

    def opt_auth(self, description: str) -> None:
        """
        @raise UsageError: it describes none.
        """
        kind, colon, argument = description.partition(":")
        super().opt_auth(_ours(kind) + colon + argument)
        checker = self.checkers[-1]
        if isinstance(checker, InMemoryUsernamePasswordDatabaseDontUse):
            # Twisted's plugin gives it text, with which no credentials ever agree.
            checker.users = {_bytes(user): _bytes(pw) for user, pw in checker.users.items()}

    def opt_help_auth_type(self, kind: str) -> None:
        """
        @raise SystemExit: always.
        """
        super().opt_help_auth_type(_ours(kind))

    def _checkerFactoriesForOptHelpAuth(self) -> Iterator[Any]:  # noqa: N802
        for factory in super()._checkerFactoriesForOptHelpAuth():
            if factory.authType != _TWISTED_FILE:
                yield factory


def _bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text


def _ours(kind: str) -> str:
    return AUTH_TYPE if kind == _TWISTED_FILE else kind
