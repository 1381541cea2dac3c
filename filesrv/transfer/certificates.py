"""
Certificates: what a server shows, whom it knows by theirs, and the pins of public keys.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import ssl
from typing import Any, NoReturn

__all__ = [
    "Credentials",
    "WrongFile",
    "certified_user",
    "pin_of",
    "plain_pin",
    "shown_pin",
    "single_context",
]

#: For TLS 1.2: a key of its own for each connection, and encryption that authenticates.
#: Those of TLS 1.3 are all like that.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class WrongFile(Exception):
    """
    A file with a certificate or a key cannot be used.

    @ivar option: the option that named it.
    """

    def __init__(self, option: str, words: str) -> None:
        super().__init__(words)
        self.option = option


def single_context(protocol: int) -> ssl.SSLContext:
    """What both ends have in common."""
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


def load_pair(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    """
    Load a certificate with those that lead from it to its authority, and its key.

    @param key: where that is, if not in the same file.
    @raise WrongFile: they cannot be read or do not belong together.
    """
    for option, path in (("certificate", certificate), ("key", key)):
        _check_readable(option, path)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise WrongFile("key", f"{key} does not belong to {certificate}") from error
        here = f"{certificate} and {key}" if key else certificate
        raise WrongFile("certificate", f"{here}: no certificate with its key in PEM") from error
    except ValueError as error:
        raise WrongFile("key", f"{key or certificate}: {error}") from error


def load_authority(context: ssl.SSLContext, option: str, path: str) -> None:
    """
    Trust what the certificates in a file have signed.

    @raise WrongFile: there are none.
    """
    _check_readable(option, path)
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as error:
        raise WrongFile(option, f"{path}: no certificate in PEM") from error


def _check_readable(option: str, path: str | None) -> None:
    try:
        if path is not None:
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise WrongFile(option, f"{path}: {error.strerror}") from error


def _no_password() -> NoReturn:
    # OpenSSL would ask on the terminal.
    raise ValueError("the key is encrypted; nobody is there to be asked for its password")


class Credentials:
    """What the server shows, and whose signature on a client's certificate it believes."""

    def __init__(
        self, certificate: str, key: str | None = None, client_ca: str | None = None
    ) -> None:
        """
        @param certificate: a file in PEM: the certificate, then what leads from it to its
            authority, and the key, if it has no file of its own.
        @param client_ca: a file with the certificates of those who sign clients'.
        @raise WrongFile: one of them cannot be used.
        """
        self._files = certificate, key, client_ca
        self.context = self._read()

    def reload(self) -> None:
        """
        Read the files again: new connections get what is in them.

        @raise WrongFile: they cannot be used, and nothing has changed.
        """
        self.context = self._read()

    @property
    def pin(self) -> str:
        """By which clients can recognise the key, whoever has signed it."""
        with open(self._files[0], encoding="ascii", errors="replace") as file:
            found = file.read()
        begin = found.index("-----BEGIN CERTIFICATE-----")
        end = found.index("-----END CERTIFICATE-----") + len("-----END CERTIFICATE-----")
        return shown_pin(pin_of(ssl.PEM_cert_to_DER_cert(found[begin:end])))

    def _read(self) -> ssl.SSLContext:
        certificate, key, client_ca = self._files
        context = single_context(ssl.PROTOCOL_TLS_SERVER)
        # Connections are long and few; nothing is gained by resuming their sessions, and
        # these tickets would come when the client does not reckon with them.
        context.num_tickets = 0
        load_pair(context, certificate, key)
        if client_ca is not None:
            load_authority(context, "client-ca", client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
        return context


def certified_user(tls: ssl.SSLObject) -> str | None:
    """
    Who the peer is by its certificate; L{None} if it has shown none.  One that has not been
    verified says nothing here (C{ssl.SSLSocket.getpeercert}).
    """
    return user_of(tls.getpeercert() or {})


def user_of(certificate: Any) -> str | None:
    """
    The name in a certificate: its common name, else its first address of e-mail.

    @param certificate: as C{ssl.SSLSocket.getpeercert} describes it.
    """
    names = [
        value
        for part in certificate.get("subject", ())
        for kind, value in part
        if kind == "commonName"
    ]
    names += [value for kind, value in certificate.get("subjectAltName", ()) if kind == "email"]
    return names[0] if names else None


# Pins.


def pin_of(certificate: bytes) -> bytes:
    """
    SHA-256 of the public key (SubjectPublicKeyInfo) of a certificate in DER: it stays the
    same when the certificate is renewed for the same key.

    Source: RFC 7469, 2.4; the fields of RFC 5280, 4.1.
    """
    inside = _Der(_Der(certificate).next()[1])
    fields = _Der(inside.next()[1])
    tag, _, _ = fields.next()
    # The version may be left out; behind the serial number come the algorithm, the
    # issuer, the validity, and the subject.
    for _ in range(5 if tag == 0xA0 else 4):
        fields.next()
    return hashlib.sha256(fields.next()[2]).digest()


class _Der:
    """Reads one value of DER (X.690) after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def next(self) -> tuple[int, bytes, bytes]:
        """Tag, content, and the whole."""
        begin, data = self._at, self._data
        tag, length, at = data[begin], data[begin + 1], begin + 2
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(data[at : at + count], "big"), at + count
        self._at = at + length
        return tag, data[at : self._at], data[begin : self._at]


def plain_pin(text: str) -> bytes:
    """
    A pin in base64, as C{openssl} and browsers write them, with or without C{sha256//} or
    C{sha256:} before it, or in hexadecimal.

    @raise ValueError: it is none.
    """
    bare = text.removeprefix("sha256//").removeprefix("sha256:").replace(":", "")
    try:
        found = bytes.fromhex(bare) if len(bare) == 64 else base64.b64decode(bare, validate=True)
    except (ValueError, binascii.Error):
        found = b""
    if len(found) != 32:
        raise ValueError(f"{text!r} is no pin: 32 bytes in base64 or hexadecimal")
    return found


def shown_pin(pin: bytes) -> str:
    """A pin in words."""
    return f"sha256:{base64.b64encode(pin).decode()}"
