"""Who gets in, and what they may do where."""

from __future__ import annotations

from typing import Any

from twisted.python.usage import UsageError

from filesrv.access.access import Access
from filesrv.access.checkers import AuthOptions, HashedPasswords
from filesrv.access.door import Door
from filesrv.access.penalties import Cost
from filesrv.access.rights import Right, WrongRights, read_rights
from filesrv.service.options.option import (
    Choice,
    Flag,
    Group,
    Number,
    Option,
    Path,
    Values,
    Whole,
    WrongOption,
)
from filesrv.service.reloads import Reloads

__all__ = ["GROUP", "access_of"]

#: What those may do who have not logged in.
_ANONYMOUS = {"read": Right.READ | Right.LIST, "none": Right.NONE}

#: What means nothing where nobody can log in.
_NEEDS_AUTH = ("anonymous", "homes", "allow-plain-login")


def _check(options: Values) -> None:
    options["checkers"] = _checkers(options)
    for needless in _NEEDS_AUTH if not options["auth"] else ():
        if options[needless]:
            raise WrongOption(needless, "needs --auth")
    if options["rights"]:
        try:
            read_rights(options["rights"])
        except WrongRights as error:
            raise WrongOption("rights", str(error)) from None


def _checkers(options: Values) -> list[Any]:
    """
    What the descriptions of C{--auth} describe.

    @raise SystemExit: help was asked for, and given.
    """
    auth = AuthOptions()
    if options["help-auth"]:
        auth.opt_help_auth()
    if options["help-auth-type"]:
        auth.opt_help_auth_type(options["help-auth-type"])
    for description in options["auth"]:
        try:
            auth.opt_auth(description)
        except UsageError as error:
            # Not all of it: what stands behind may be a password.
            kind = description.partition(":")[0]
            words = str(error).removeprefix("Unexpected error: ")
            raise WrongOption("auth", f"{kind}: {words}") from None
    return auth.checkers


def access_of(reactor: Any, options: Values, reloads: Reloads) -> Access:
    """
    What these options say about who gets in.

    @param reloads: is told what to read again.
    @raise WrongRights: the rights cannot be read.
    """
    access = Access(
        rights_file=options["rights"],
        homes=options["homes"],
        plain_login=options["allow-plain-login"],
    )
    access.reload()
    if options["rights"]:
        reloads.add("rights", access.reload)
    if options["checkers"]:
        cost = Cost(options["login-delay"], options["login-attempts"], options["login-block"])
        access.door = Door(reactor, options["checkers"], cost)
        access.anonymous = _ANONYMOUS[options["anonymous"] or "none"]
    for checker in options["checkers"]:
        if isinstance(checker, HashedPasswords):
            reloads.add("passwords", checker.file.reload)
    return access


GROUP = Group(
    "access",
    "Who gets in",
    (
        Option(
            "auth",
            "Who can log in, as KIND:ARGUMENT; file:PATH is what filesrv passwd has written. "
            "May be given more than once. Whoever has not logged in may then do no more "
            "than --anonymous says.",
            metavar="METHOD",
            repeatable=True,
        ),
        Option("help-auth", "Show the kinds of --auth and exit.", Flag(), in_file=False),
        Option(
            "help-auth-type",
            "Show what one kind of --auth is and exit.",
            metavar="KIND",
            in_file=False,
        ),
        Option(
            "anonymous",
            "What may be done without a login: read, or none of it.",
            Choice(tuple(_ANONYMOUS)),
            "WHAT",
            default_words="with --auth, none",
        ),
        Option("rights", "The file that says who may do what in which directory.", Path(), "FILE"),
        Option("homes", "Keep each user's files below homes/USER/, and show no others.", Flag()),
        Option(
            "allow-plain-login",
            "Take passwords over connections that others can listen to.",
            Flag(),
        ),
        Option(
            "login-delay",
            "Seconds that a first wrong password costs; each further one costs twice as many, "
            "30 at most.",
            Number(0, 30),
            "SECONDS",
            1.0,
        ),
        Option(
            "login-attempts",
            "Wrong passwords for one user from one address until none is taken any more; four "
            "times as many for an address altogether.",
            Whole(1, 1000),
            "COUNT",
            5,
        ),
        Option(
            "login-block",
            "Seconds for which none is taken then.",
            Number(1, 86400 * 365),
            "SECONDS",
            300.0,
        ),
    ),
    _check,
)
