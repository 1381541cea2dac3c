"""How the small services are asked for."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.address import IPv6Address, UNIXAddress
from twisted.internet.error import CannotListenError

from filesrv.service import CannotStart, FilesrvService, Options
from filesrv.service.endpoints import endpoint_of
from filesrv.small_services.endpoints import UDPEndpoint
from filesrv.small_services.options import small_services
from filesrv.transfer.datagrams import DatagramPort, DatagramService
from tests.support.hand_reactor import HandReactor


def asked(*words: str) -> list[Any]:
    """The services that a command line asks for, by name."""
    options = Options()
    options.parseOptions(list(words))
    found = small_services(HandReactor(), options, endpoint_of)
    return [(service.text, type(service.answers).__name__) for service in found]


def test_none_is_on_unless_it_is_asked_for() -> None:
    assert asked() == []


def test_each_is_asked_for_by_itself() -> None:
    assert asked("--daytime", "9013") == [("9013", "DaytimeFactory")]
    assert asked("--udp-echo", "9007") == [("9007", "UDPEcho")]
    assert asked("--udp-echo=9007", "--daytime=tcp:13:interface=127.0.0.1") == [
        ("tcp:13:interface=127.0.0.1", "DaytimeFactory"),
        ("9007", "UDPEcho"),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--daytime", "70000"], "--daytime 70000: ports go up to 65535"),
        (["--daytime", "nonsense"], "--daytime nonsense: "),
        (["--daytime", "-1"], "--daytime -1: "),
        (["--daytime-udp"], "--daytime-udp goes with --daytime"),
        (["--daytime-udp", "--udp-echo", "9007"], "--daytime-udp goes with --daytime"),
        (["--udp-echo", "65536"], "--udp-echo 65536: ports go up to 65535"),
        (["--udp-echo", "echo"], "--udp-echo takes PORT or udp:PORT:interface=ADDRESS, not echo"),
        (["--udp-echo", "tcp:9007"], "--udp-echo takes PORT"),
        (["--udp-echo", "９００７"], "--udp-echo takes PORT"),
        (["--udp-echo", ""], "--udp-echo takes PORT"),
    ],
)
def test_a_wrong_option_is_said_to_be(words: list[str], said: str) -> None:
    with pytest.raises(SystemExit, match=f"^filesrv: {said}"):
        asked(*words)


class Bound(DatagramService):
    """Where it listens."""

    def datagram_arrived(self, datagram: object) -> None:
        """Of no interest."""


def listen(endpoint: UDPEndpoint) -> Any:
    """The port that it makes, within this call."""
    outcome: list[Any] = []
    endpoint.listen(Bound()).addBoth(outcome.append)
    ((port,),) = outcome
    return port


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("0", "::"),
        ("udp:0", "::"),
        ("udp:0:interface=127.0.0.1", "127.0.0.1"),
        (r"udp:0:interface=\:\:1", "::1"),
        ("udp:0:interface=::1", "::1"),
    ],
)
def test_a_description_says_the_address_too(text: str, host: str) -> None:
    reactor = HandReactor()
    port = listen(UDPEndpoint.parse(reactor, "udp-echo", text))
    assert port.getHost().host == host
    port.stopListening()
    reactor.turn()


def test_a_machine_without_ipv6_gets_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    start = DatagramPort.startListening

    def no_ipv6(port: DatagramPort) -> None:
        if port.interface == "::":
            raise CannotListenError("::", 0, OSError(errno.EAFNOSUPPORT, "no such family"))
        start(port)

    monkeypatch.setattr(DatagramPort, "startListening", no_ipv6)
    reactor = HandReactor()
    port = listen(UDPEndpoint(reactor, 0))
    assert port.getHost().host == "0.0.0.0"
    port.stopListening()
    reactor.turn()


class TCPReactor(HandReactor):
    """One with TCP ports that exist on paper."""

    def __init__(self, address: Any) -> None:
        super().__init__()
        self.address = address
        self.stopped = 0

    def listenTCP(self, port: int, factory: Any, *more: Any, **still_more: Any) -> Any:  # noqa: N802
        return self

    def getHost(self) -> Any:
        return self.address

    @property
    def socket(self) -> socket.socket:
        return _DUAL_STACK

    def stopListening(self) -> None:  # noqa: N802
        self.stopped += 1


_DUAL_STACK = socket.socket(socket.AF_INET6)


def service(reactor: Any, root: Path, *words: str) -> FilesrvService:
    options = Options()
    options.parseOptions(["--root", str(root), *words])
    return FilesrvService(reactor, options)


def test_where_the_number_is_taken_over_udp_nothing_listens(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as taken:
        taken.bind(("::", 0))
        number = taken.getsockname()[1]
        reactor = TCPReactor(IPv6Address("TCP", "::", number))
        made = service(reactor, tmp_path, "--daytime", str(number), "--daytime-udp")
        with pytest.raises(CannotStart, match=f"^cannot listen on {number}: Address already in"):
            made.startService()
        assert reactor.stopped == 2  # of the files, and of the time


def test_the_echo_says_in_one_line_that_its_number_is_taken(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        number = taken.getsockname()[1]
        reactor = TCPReactor(IPv6Address("TCP", "::", 9000))
        made = service(reactor, tmp_path, "--udp-echo", str(number))
        with pytest.raises(CannotStart, match=f"^cannot listen on {number}: Address already in"):
            made.startService()


def test_a_path_has_no_number_for_datagrams(tmp_path: Path) -> None:
    reactor = TCPReactor(UNIXAddress("/nowhere"))
    made = service(reactor, tmp_path, "--daytime", "1", "--daytime-udp")
    with pytest.raises(CannotStart, match="--daytime-udp needs the number of a TCP port"):
        made.startService()


def test_the_options_are_in_the_help() -> None:
    text = str(Options())
    for option in ("--daytime=", "--daytime-udp", "--udp-echo="):
        assert option in text
