"""TLS on the client's side: nothing that came in plain text counts, and what pins look like."""

from __future__ import annotations

import base64
import hashlib
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from filesrv.client.address import ServerAddress
from filesrv.client.connection import Connection
from filesrv.client.errors import NoTLS
from filesrv.client.protocol import ClientProtocol
from filesrv.client.trust import Trust
from filesrv.transfer.certificates import pin_of, plain_pin, shown_pin
from filesrv.transfer.liveness import Liveness
from tests.support.tls import Authority


class Transport(StringTransport):
    """One whose bytes go to whom TLS says, as those of Twisted's."""

    protocol: Any = None

    def unregisterProducer(self) -> None:
        self.producer = None


def connected() -> tuple[ClientProtocol, Transport, Deferred[None]]:
    """A client that has said STARTTLS."""
    clock = Clock()
    protocol = ClientProtocol(clock, Liveness(clock, 30, 300))
    transport = Transport()
    transport.protocol = protocol
    protocol.makeConnection(transport)
    Deferred.fromCoroutine(protocol.greeted())
    protocol.dataReceived(b"OK filesrv 1.0 ready\r\n")
    secured = Deferred.fromCoroutine(
        Connection(protocol).start_tls("localhost", Trust(pin=b"x" * 32))
    )
    assert transport.value() == b"STARTTLS\n"
    transport.clear()
    return protocol, transport, secured


@pytest.mark.parametrize("more", [b"OK client=me\r\n", b"E", b"\x16\x03\x03\x00\x05hello"])
def test_more_than_the_ok_in_plain_text_ends_it_before_anything_is_said(more: bytes) -> None:
    protocol, transport, secured = connected()
    protocol.dataReceived(b"OK begin\r\n" + more)
    failure = secured.result
    assert isinstance(failure.value, NoTLS)  # type: ignore[attr-defined]
    assert transport.value() == b""
    secured.addErrback(lambda _: None)


def test_plain_text_behind_the_ok_is_no_handshake() -> None:
    protocol, transport, secured = connected()
    protocol.dataReceived(b"OK begin\r\n")
    assert transport.value().startswith(b"\x16\x03")
    assert not secured.called
    transport.protocol.dataReceived(b"OK client=somebody\r\nOK client=somebody\r\n")
    transport.protocol.connectionLost(Failure(ConnectionDone()))
    assert isinstance(secured.result.value, NoTLS)  # type: ignore[attr-defined]
    assert protocol.lost is not None
    secured.addErrback(lambda _: None)


def test_a_server_that_refuses_is_not_talked_to_in_plain_text() -> None:
    protocol, transport, secured = connected()
    protocol.dataReceived(b"ERR DENIED this server has no certificate\r\n")
    assert "certificate" in str(secured.result.value)  # type: ignore[attr-defined]
    assert transport.value() == b""
    secured.addErrback(lambda _: None)


def test_a_pin_is_of_the_public_key(tmp_path: Path) -> None:
    pair = Authority(tmp_path).pair()
    pem = pair.certificate.read_text()
    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    wanted = hashlib.sha256(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).digest()
    assert pin_of(ssl.PEM_cert_to_DER_cert(pem)) == wanted
    assert pair.credentials().pin == shown_pin(wanted)


def test_pins_are_written_in_several_ways() -> None:
    pin = hashlib.sha256(b"a key").digest()
    bare = base64.b64encode(pin).decode()
    colons = pin.hex(":").upper()
    for text in (bare, f"sha256//{bare}", shown_pin(pin), pin.hex(), colons):
        assert plain_pin(text) == pin


@pytest.mark.parametrize("text", ["", "sha256:", "abc", "é" * 32, "00" * 31, "=" * 44])
def test_what_is_no_pin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no pin"):
        plain_pin(text)


def test_an_address_may_say_that_tls_is_spoken_there() -> None:
    assert ServerAddress.parse("tls://[::1]:80") == ServerAddress("::1", 80, tls=True)
    assert str(ServerAddress.parse("tls://localhost")) == "tls://localhost:9443"
