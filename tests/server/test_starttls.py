"""TLS on a server in memory: what counts before it and after it, and whose connection it is."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from filesrv.server.limits import Limits
from filesrv.server.proxied import ProxiedFactory
from filesrv.server.secured import SecuredFactory
from tests.support.logs import Log
from tests.support.memory import Client, Server
from tests.support.tls import Authority, Pair, SecureClient, trusting

OK = "OK begin the handshake"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.pair()


@pytest.fixture
def server(tmp_path: Path, authority: Authority, pair: Pair) -> Iterator[Server]:
    made = Server(tmp_path / "root", credentials=pair.credentials(authority.file))
    yield made
    made.close()


def secured(server: Server, authority: Authority, own: Pair | None = None) -> SecureClient:
    client = server.connect()
    assert client.asks(b"STARTTLS") == [OK]
    return SecureClient(client, trusting(authority, own))


def from_the_first_byte(server: Server, authority: Authority) -> SecureClient:
    assert server.credentials is not None
    factory = SecuredFactory(server.reactor, server.credentials, server.factory)
    client = SecureClient(server.connect(factory=factory), trusting(authority))
    assert client.new().startswith(b"OK filesrv ")
    return client


@pytest.mark.parametrize("begin", [secured, from_the_first_byte])
def test_files_go_both_ways_under_tls(server: Server, authority: Authority, begin: object) -> None:
    client = begin(server, authority)  # type: ignore[operator]
    payload = bytes(range(256)) * 4000
    replies = client.says(b"UPLOAD a 1024000 0\n" + payload + b"DOWNLOAD a\nECHO done\n")
    assert replies.startswith(b"OK offset=0 length=1024000\nOK stored=a size=1024000")
    assert payload in replies
    assert replies.endswith(b"\ndone\n")
    assert server.files() == {"a": payload}


def test_what_is_said_before_starttls_is_forgotten(server: Server, authority: Authority) -> None:
    client = server.connect()
    client.asks(b"HELLO somebody-elses-token")
    client.says(b"UPLOAD a 10 0\n12345")
    client.half_close()
    server.settle()
    client = server.connect()
    assert client.asks(b"HELLO somebody-elses-token") == ["OK client=somebody-elses-token"]
    assert client.asks(b"PENDING")[0] == "OK lines=1"
    assert client.asks(b"STARTTLS") == [OK]
    secure = SecureClient(client, trusting(authority))
    assert secure.says(b"PENDING\n") == b"OK lines=0\n"
    assert secure.says(b"STAT a\n").startswith(b"ERR NOT_FOUND")


@pytest.mark.parametrize(
    "behind", [b"DELETE a\n", b"DEL", b"\n", b"\x16\x03\x01\x00", b"UPLOAD a 1 0\nx"]
)
def test_nothing_behind_starttls_in_plain_text_is_performed(server: Server, behind: bytes) -> None:
    server.put("a", b"precious")
    client = server.connect()
    said = client.says(b"STARTTLS\n" + behind)
    assert said == b"ERR BAD_ARGUMENTS nothing may be sent behind STARTTLS before its OK\n"
    assert client.end_seen
    client.says(b"ETE a\nDELETE a\n")
    assert server.files() == {"a": b"precious"}


def test_plain_text_in_the_place_of_the_handshake_ends_it(server: Server, log: Log) -> None:
    server.put("a", b"precious")
    client = server.connect()
    assert client.asks(b"STARTTLS") == [OK]
    client.says(b"DELETE a\n")
    assert client.closed
    assert server.files() == {"a": b"precious"}
    assert [line for line in log.lines if "TLS" in line] == [
        "client 192.0.2.1(40000): no TLS: the peer does not speak TLS"
    ]


def test_a_second_starttls_is_refused(server: Server, authority: Authority) -> None:
    client = secured(server, authority)
    assert client.says(b"STARTTLS\nECHO on\n") == b"ERR DENIED TLS is on already\non\n"


def test_without_a_certificate_there_is_no_tls(tmp_path: Path) -> None:
    server = Server(tmp_path / "root")
    assert server.connect().says(b"STARTTLS\nECHO on\n") == (
        b"ERR DENIED this server has no certificate\non\n"
    )
    server.close()


@pytest.mark.parametrize("implicit", [False, True])
def test_a_handshake_that_does_not_end_is_ended(server: Server, implicit: bool, log: Log) -> None:
    if implicit:
        assert server.credentials is not None
        factory = SecuredFactory(server.reactor, server.credentials, server.factory)
        client = server.connect(factory=factory)
    else:
        client = server.connect()
        client.asks(b"STARTTLS")
    client.says(b"\x16")
    server.pass_time(9)
    stood = not client.end_seen
    server.pass_time(4)
    assert (stood, client.end_seen) == (True, True)
    assert sum("no TLS: the handshake takes too long" in line for line in log.lines) == 1
    assert server.factory.gate.refusal(None) is None


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_versions_of_tls_are_refused_in_one_line_of_log(
    server: Server, authority: Authority, log: Log
) -> None:
    client = server.connect()
    client.asks(b"STARTTLS")
    context = trusting(authority)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        SecureClient(client, context)
    assert client.end_seen
    assert [line for line in log.lines if "no TLS" in line] == [
        "client 192.0.2.1(40000): no TLS: the peer speaks no version of TLS from 1.2 on"
    ]


def test_the_log_says_which_tls(server: Server, authority: Authority, log: Log) -> None:
    secured(server, authority)
    from_the_first_byte(server, authority)
    assert "client 192.0.2.1(40000): under TLSv1.3" in log.lines
    assert "client 192.0.2.1(40001) connected, TLSv1.3" in log.lines


@pytest.mark.parametrize("begin", [secured, from_the_first_byte])
def test_who_closes_its_half_gets_all_that_it_asked_for(
    server: Server, authority: Authority, begin: object
) -> None:
    server.put("a", b"x" * 1_000_000)
    client = begin(server, authority)  # type: ignore[operator]
    client.send(b"DOWNLOAD a\nECHO the last\n")
    client.half_close()
    server.settle()
    assert client.new().endswith(b"\nthe last\n")
    assert client.ended
    assert client.client.closed


def test_an_upload_that_is_cut_off_is_not_published(server: Server, authority: Authority) -> None:
    client = secured(server, authority)
    client.says(b"UPLOAD a 10 0\n12345")
    client.client.half_close()  # without a last word of TLS
    server.settle()
    assert client.client.closed
    assert server.files() == {}
    assert server.held() == [b"12345"]


def test_bytes_that_were_changed_on_the_way_end_the_connection(
    server: Server, authority: Authority
) -> None:
    client = secured(server, authority)
    client.says(b"UPLOAD a 10 0\n12345")
    client.client.says(b"\x17\x03\x03\x00\x20" + b"67890" * 7)
    assert client.client.closed
    assert server.held() == [b"12345"]


def test_the_last_words_come_under_tls(server: Server, authority: Authority) -> None:
    first, second = secured(server, authority), secured(server, authority)
    first.says(b"HELLO one-and-the-same-client\nUPLOAD a 10 0\n12345")
    second.says(b"HELLO one-and-the-same-client\n")
    assert second.says(b"UPLOAD a 10\n") == b"OK offset=5 length=5 last=taken-over\n"
    assert first.new().startswith(b"ERR TAKEN_OVER")
    assert first.ended
    assert second.says(b"67890").startswith(b"OK stored=a")


def test_a_reader_that_pauses_costs_a_buffer_and_no_more(
    server: Server, authority: Authority
) -> None:
    server.put("a", b"x" * 5_000_000)
    client = secured(server, authority)
    client.client.takes = 0
    client.send(b"DOWNLOAD a\n")
    server.settle()
    assert client.client.transport.unsent < 400_000
    client.client.takes = 1 << 30
    server.settle()
    assert client.new().count(b"x") == 5_000_000


def test_what_waits_here_does_not_count_as_delivered(server: Server, authority: Authority) -> None:
    server.put("a", b"x" * 5_000_000)
    client = secured(server, authority)
    client.says(b"HELLO the-one-that-breaks-off\n")
    client.client.takes = 65_536
    client.send(b"DOWNLOAD a\n")
    for _ in range(30):
        server.reactor.turn()
    client.client.takes = 0
    server.settle()
    had = client.new().count(b"x")
    assert had > 0
    client.client.reset()
    again = secured(server, authority)
    again.says(b"HELLO the-one-that-breaks-off\n")
    reply = again.says(b"DOWNLOAD a resume\n").partition(b" length")[0]
    assert 0 <= int(reply.removeprefix(b"OK offset=")) <= had


@pytest.mark.parametrize(
    ("name", "mail", "user"),
    [("ada", "", "ada"), ("", "ada@example.org", "ada@example.org"), ("../x", "", None)],
)
def test_a_certificate_says_who_the_client_is(
    server: Server, authority: Authority, name: str, mail: str, user: str | None, log: Log
) -> None:
    client = secured(server, authority, authority.pair(name, mail=mail, file="client"))
    assert client.says(b"ECHO hello\n") == b"hello\n"
    (session,) = [protocol.session for protocol in server.factory.connections]
    assert session.user == user
    assert session.client == (f"user:{user}" if user else "192.0.2.1")


def test_a_certificate_that_a_stranger_signed_is_refused(
    server: Server, authority: Authority, tmp_path: Path, log: Log
) -> None:
    stranger = Authority(tmp_path / "stranger").pair("ada", file="client")
    client = server.connect()
    client.asks(b"STARTTLS")
    SecureClient(client, trusting(authority, stranger))
    assert client.closed
    assert any("no TLS: " in line and "certificate" in line for line in log.lines)


def test_those_who_are_already_here_stay_when_certificates_are_read_again(
    tmp_path: Path,
) -> None:
    old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new")
    pair = old.pair()
    server = Server(tmp_path / "root", credentials=pair.credentials())
    here = secured(server, old)
    replacement = new.pair()
    pair.certificate.write_bytes(replacement.certificate.read_bytes())
    assert server.credentials is not None
    with pytest.raises(Exception, match="does not belong to"):
        server.credentials.reload()
    assert secured(server, old).says(b"ECHO on\n") == b"on\n"
    pair.key.write_bytes(replacement.key.read_bytes())
    server.credentials.reload()
    assert secured(server, new).says(b"ECHO on\n") == b"on\n"
    assert here.says(b"ECHO on\n") == b"on\n"
    server.close()


def test_who_is_under_tls_may_log_in(server: Server, authority: Authority) -> None:
    client: Client = server.connect()
    (protocol,) = server.factory.connections
    assert not protocol.session.secure
    client.asks(b"STARTTLS")
    SecureClient(client, trusting(authority))
    assert protocol.session.secure


def test_behind_a_proxy_the_header_comes_before_tls(server: Server, authority: Authority) -> None:
    assert server.credentials is not None
    inner: Any = SecuredFactory(server.reactor, server.credentials, server.factory)
    client = server.connect(factory=ProxiedFactory(server.reactor, inner))
    client.send(b"PROXY TCP4 203.0.113.9 198.51.100.1 5555 9000\r\n")
    secure = SecureClient(client, trusting(authority))
    assert secure.new().startswith(b"OK filesrv ")
    secure.send(b"ECHO hello\n")
    secure.half_close()
    server.settle()
    assert secure.new() == b"hello\n"
    assert secure.ended


def test_those_above_the_limit_have_no_handshake(
    tmp_path: Path, authority: Authority, pair: Pair
) -> None:
    limits = Limits(connections=1)
    server = Server(tmp_path / "root", credentials=pair.credentials(), limits=limits)
    here = from_the_first_byte(server, authority)
    factory = SecuredFactory(server.reactor, pair.credentials(), server.factory)
    assert server.connect(factory=factory).closed
    assert here.says(b"ECHO on\n") == b"on\n"
    server.close()
