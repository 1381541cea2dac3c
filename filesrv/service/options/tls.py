"""The server's certificate, and those of clients."""

from __future__ import annotations

from filesrv.service.options.option import Group, Option, Path, Values, WrongOption
from filesrv.transfer.certificates import Credentials, WrongFile

__all__ = ["GROUP", "credentials_of"]


def _check(options: Values) -> None:
    if options["certificate"] is None:
        for needless in ("key", "client-ca"):
            if options[needless] is not None:
                raise WrongOption(needless, "goes with --certificate")
        if any("tls" in text.split(":")[:2] for text in options["port"]):
            raise WrongOption("port", "tls: goes with --certificate")
        return
    try:
        credentials_of(options)
    except WrongFile as error:
        raise WrongOption(error.option, str(error)) from None


def credentials_of(options: Values) -> Credentials | None:
    """
    What these options say that the server shows, if anything.

    @raise WrongFile: a file cannot be used.
    """
    certificate = options["certificate"]
    if certificate is None:
        return None
    return Credentials(certificate, options["key"], options["client-ca"])


GROUP = Group(
    "tls",
    "TLS",
    (
        Option(
            "certificate",
            "The server's certificate in PEM, with those that lead to its authority behind it. "
            "With one, there is STARTTLS on every port, and tls: before a port has TLS there "
            "from the first byte. SIGHUP reads it again.",
            Path(),
            "FILE",
        ),
        Option("key", "Its key, if that is not in the same file.", Path(), "FILE"),
        Option(
            "client-ca",
            "Certificates of those who sign clients'. Who shows one that they have signed is "
            "logged in as the user that it names.",
            Path(),
            "FILE",
        ),
    ),
    _check,
)
