"""
Certificates that are made when a test needs them, and a client that speaks TLS to a server
in memory.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from filesrv.transfer.certificates import Credentials
from tests.support.memory import Client

__all__ = ["Authority", "Pair", "SecureClient", "trusting"]


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, in files of their own."""

    certificate: Path
    key: Path

    def credentials(self, client_ca: Path | None = None) -> Credentials:
        """What a server shows with it."""
        authority = None if client_ca is None else str(client_ca)
        return Credentials(str(self.certificate), str(self.key), authority)


class Authority:
    """
    Somebody who signs certificates.

    @ivar file: with the certificate that says so.
    """

    def __init__(self, place: Path) -> None:
        place.mkdir(exist_ok=True)
        self._place = place
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("an authority for tests")
        made = self._certificate(self._name, self._key.public_key())
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.file = place / "authority.pem"
        self.file.write_bytes(self._signed(made))

    def pair(
        self, name: str = "localhost", *alternatives: str, mail: str = "", file: str = "server"
    ) -> Pair:
        """
        A certificate for C{name}.

        @param alternatives: names and addresses of a server; C{name} and 127.0.0.1 and ::1
            where there are none.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        others = [_general(other) for other in alternatives or (name, "127.0.0.1", "::1")]
        if mail:
            others = [x509.RFC822Name(mail)]
        made = self._certificate(_name(name), key.public_key())
        made = made.add_extension(x509.SubjectAlternativeName(others), critical=False)
        pair = Pair(self._place / f"{file}.pem", self._place / f"{file}.key")
        pair.certificate.write_bytes(self._signed(made))
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return pair

    def _certificate(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )

    def _signed(self, made: x509.CertificateBuilder) -> bytes:
        signed = made.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)


def _name(text: str) -> x509.Name:
    if not text:
        return x509.Name([])
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def trusting(authority: Authority, own: Pair | None = None) -> ssl.SSLContext:
    """A client's context."""
    context = ssl.create_default_context(cafile=str(authority.file))
    if own is not None:
        context.load_cert_chain(own.certificate, own.key)
    return context


class SecureClient:
    """
    TLS over a L{Client}; the handshake is done when this is made.

    @ivar received: what the server has said under TLS.
    @ivar ended: whether it has said that this was all.
    """

    def __init__(self, client: Client, context: ssl.SSLContext) -> None:
        self.client = client
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_hostname="localhost")
        self.received = b""
        self.ended = False
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.exchange()
                if not self._in.pending:
                    raise AssertionError("the server says nothing more") from None
        self.exchange()

    def exchange(self) -> None:
        """Send what is to be sent, and take what comes."""
        self.client.send(self._out.read())
        self.client.server.settle()
        self._in.write(self.client.new())

    def send(self, data: bytes) -> None:
        """Put bytes on their way."""
        self.tls.write(data)
        self.client.send(self._out.read())

    def says(self, data: bytes) -> bytes:
        """Send, and return what the server answers at once."""
        self.tls.write(data)
        self.exchange()
        return self.new()

    def new(self) -> bytes:
        """What has come since."""
        self._in.write(self.client.new())
        found = b""
        while not self.ended:
            try:
                piece = self.tls.read(65536)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                piece = b""
            self.ended = not piece
            found += piece
        self.received += found
        return found

    def half_close(self) -> None:
        """Say that this was all, and go on listening."""
        with suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        self.client.send(self._out.read())
        self.client.half_close()
