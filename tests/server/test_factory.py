"""What the log says of connections, who a client is, and how all are ended."""

from __future__ import annotations

import re
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import ensureDeferred
from twisted.internet.testing import StringTransport

from filesrv.server.factory import FilesrvFactory
from filesrv.transfer.liveness import Liveness
from filesrv.wire.endings import Ending
from tests.support.logs import Log
from tests.support.memory import Server


class TestLog:
    def test_one_line_for_who_connects_and_one_for_who_leaves_with_the_reason(
        self, server: Server, log: Log
    ) -> None:
        client = server.connect("192.0.2.1")
        client.says(b"ECHO a\n")
        client.half_close()
        server.settle()
        server.connect("2001:db8::1").reset()
        server.connect("::ffff:192.0.2.7").reset()

        assert log.lines == [
            "client 192.0.2.1(40000) connected",
            "client 192.0.2.1(40000) left: closed",
            "client 2001:db8::1(40001) connected",
            "client 2001:db8::1(40001) left: reset",
            "client 192.0.2.7(40002) connected",
            "client 192.0.2.7(40002) left: reset",
        ]

    def test_one_line_for_each_transfer_with_bytes_seconds_and_rate(
        self, server: Server, log: Log
    ) -> None:
        client = server.connect()
        client.says(b'UPLOAD "a b" 1000000\n', b"x" * 250_000)
        server.pass_time(2)
        client.reset()
        client = server.connect()
        client.says(b'UPLOAD "a b" 1000000\n', b"x" * 750_000)
        client.says(b'DOWNLOAD "a b"\n')

        lines = [line.split(": ", 1)[1] for line in log.lines if " of " in line]
        assert lines == [
            'upload of "a b": 250000 bytes in 2.000 s, 1.0Mbit/s, reset',
            'upload of "a b": 750000 bytes in 0.000 s, 6.0Tbit/s, complete',
            'download of "a b": 1000000 bytes in 0.000 s, 8.0Tbit/s, complete',
        ]

    def test_a_refused_command_is_no_line(self, server: Server, log: Log) -> None:
        server.connect().says(b"NONSENSE\nUPLOAD ../f 1 0\nxDOWNLOAD none\n")

        assert len(log.lines) == 1

    def test_a_token_is_in_no_line(self, server: Server, log: Log) -> None:
        client = server.connect()
        client.says(b"HELLO 0123456789abcdef\nUPLOAD f 9\nabc")
        client.reset()
        server.reactor.advance(8 * 86400)
        server.shelves.uploads.expire()
        client = server.connect()
        client.says(b"HELLO 0123456789abcdef\nHELLO short-token\n")

        assert any("expired" in line for line in log.lines)
        assert not any("0123456789abcdef" in line or "short-token" in line for line in log.lines)

    def test_a_name_cannot_write_lines_of_its_own(self, server: Server, log: Log) -> None:
        client = server.connect()
        client.says('UPLOAD "a\u2028b {peer} \\"c" 1 0\nx'.encode())

        assert all("\n" not in line for line in log.lines)
        assert "{peer}" in log.lines[-1]


class TestClient:
    @pytest.mark.parametrize(
        ("address", "client"),
        [
            (IPv4Address("TCP", "192.0.2.1", 5), "192.0.2.1"),
            (IPv6Address("TCP", "2001:db8::1", 5), "2001:db8::1"),
            (IPv6Address("TCP", "::ffff:192.0.2.1", 5), "192.0.2.1"),
            (IPv6Address("TCP", "::ffff:1", 5), "::ffff:1"),
            (UNIXAddress("/run/x"), "local"),
            (UNIXAddress(None), "local"),
        ],
    )
    def test_until_it_says_so_itself_a_client_is_its_host(
        self, server: Server, address: Any, client: str
    ) -> None:
        protocol: Any = server.factory.buildProtocol(address)
        protocol.makeConnection(StringTransport(peerAddress=address))

        assert protocol.session.client == client
        protocol.connectionLost()


class TestEndingAll:
    def test_all_are_told_and_it_waits_until_the_last_is_gone(self, server: Server) -> None:
        idle, receiving = server.connect(), server.connect()
        receiving.says(b"UPLOAD f 9\nabc")
        done: list[None] = []
        ensureDeferred(server.factory.end_all(Ending.SERVER_STOPPED, 2.0)).addCallback(done.append)
        server.settle()
        assert b"ERR SHUTTING_DOWN" in idle.new()
        assert b"ERR SHUTTING_DOWN" in receiving.new()
        idle.half_close()
        server.settle()
        assert (idle.closed, done) == (True, [])
        server.pass_time(2)

        assert receiving.closed
        assert done == [None]
        assert server.held() == [b"abc"]
        assert not server.factory.connections

    def test_with_nobody_connected_it_is_done_at_once(self, server: Server) -> None:
        done: list[None] = []
        ensureDeferred(server.factory.end_all(Ending.SERVER_STOPPED, 2.0)).addCallback(done.append)

        assert done == [None]

    def test_a_peer_that_is_dead_does_not_hold_it_up(self, server: Server) -> None:
        server.put("f", bytes(1 << 20))
        dead = server.connect()
        dead.send(b"DOWNLOAD f\n")
        dead.takes = 0
        server.settle()
        dead.die()
        done: list[None] = []
        ensureDeferred(server.factory.end_all(Ending.SERVER_STOPPED, 2.0)).addCallback(done.append)
        server.pass_time(2)

        assert done == [None]


def test_the_factory_holds_the_registry(server: Server) -> None:
    factory = FilesrvFactory(server.reactor, server.shelves, Liveness(server.reactor, 30.0, 300.0))

    assert factory.registry is server.shelves.registry
    assert re.fullmatch(r"\d+\.\d+\.\d+", __import__("filesrv").__version__)
