"""The server's certificate, and those of clients."""

from __future__ import annotations

import re

from twisted.python.usage import UsageError

from filesrv.service.certificates import Certificates
from filesrv.service.endpoints import endpoint_of
from filesrv.service.options.option import Group, Option, Path, Values, WrongOption
from filesrv.transfer.certificates import WrongFile

__all__ = ["GROUP", "certificates_of"]

#: A port that has TLS from its first byte.
_WITH_TLS = re.compile(r"(?:haproxy:)?(?:tls|ssl):")
_OF_SYSTEMD = re.compile(r".*tls:(?:haproxy:)?systemd:.*")


def _check(options: Values) -> None:
    if options["key"] is not None and options["certificate"] is None:
        raise WrongOption("key", "goes with --certificate")
    try:
        certificates = certificates_of(options)
    except WrongFile as error:
        raise WrongOption(error.option, str(error)) from None
    for text in options["port"]:
        if _WITH_TLS.match(text):
            _check_port(text, certificates)
    if options["client-ca"] is not None and not list(certificates):
        raise WrongOption("client-ca", "goes with --certificate")


def _check_port(text: str, certificates: Certificates) -> None:
    """
    @raise WrongOption: there is no certificate for it, or that cannot be used.
    """
    # What systemd has opened is known in the service alone.
    text = _OF_SYSTEMD.sub("tls:0", text)
    try:
        endpoint_of(None, text, "port", certificates)
    except UsageError as error:
        raise WrongOption("port", str(error).removeprefix("--port ")) from None


def certificates_of(options: Values) -> Certificates:
    """
    What these options say that the server shows.

    @raise WrongFile: a file cannot be used.
    """
    return Certificates(options["certificate"], options["key"], options["client-ca"])


GROUP = Group(
    "tls",
    "TLS",
    (
        Option(
            "certificate",
            "The server's certificate in PEM, with those that lead to its authority behind it. "
            "With one, there is STARTTLS on every port, and tls: before a port has TLS there "
            "from the first byte, as ssl: has. SIGHUP reads it again.",
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
