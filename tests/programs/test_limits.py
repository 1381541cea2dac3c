"""Limits of the real daemon, with real sockets."""

from __future__ import annotations

import selectors
import time
from pathlib import Path

import pytest

from tests.support.conversation import Conversation
from tests.support.daemon import LOOPBACK, PATIENCE, Daemon, program
from tests.support.flood import Flood

RATE = 1_000_000
SIZE = 500_000


def test_two_downloads_share_the_rate_and_the_last_byte_is_not_early(tmp_path: Path) -> None:
    with Daemon(tmp_path / "root", f"--limit-rate={RATE}") as daemon:
        (daemon.root / "large").write_bytes(bytes(SIZE))
        clients = [Conversation(daemon.port) for _ in range(2)]
        came = dict.fromkeys(clients, 0)
        began = time.monotonic()
        for client in clients:
            client.say("DOWNLOAD large")
        with selectors.DefaultSelector() as selector:
            for client in clients:
                client.socket.setblocking(False)
                selector.register(client.socket, selectors.EVENT_READ, client)
            while max(came.values()) < SIZE:
                ready = selector.select(PATIENCE)
                assert ready
                for key, _ in ready:
                    came[key.data] += len(client_bytes(key.data))
        took = time.monotonic() - began
        for client in clients:
            client.close()

    # Nothing else is certain of a busy machine than what cannot be too fast.
    assert took >= 0.8 * sum(came.values()) / RATE - 0.25
    assert min(came.values()) > 0.7 * SIZE


def client_bytes(client: Conversation) -> bytes:
    try:
        return client.socket.recv(65536)
    except BlockingIOError:
        return b""


def test_an_upload_takes_its_time(tmp_path: Path) -> None:
    with Daemon(tmp_path / "root", "--limit-rate-per-connection=1M") as daemon:
        began = time.monotonic()
        with Conversation(daemon.port) as client:
            client.send(b"UPLOAD large %d 0\n" % SIZE + bytes(SIZE))
            assert client.line().startswith("OK offset=0")
            assert client.line().startswith("OK stored=large ")
            assert client.ask("ECHO done") == "done"
        assert time.monotonic() - began >= 0.8 * SIZE / RATE - 0.25


def test_many_more_connections_than_may_be_leave_it_serving_those_it_took(tmp_path: Path) -> None:
    """The documented command tries 20,000; see docs/limits.rst."""
    with Daemon(tmp_path / "root", "--max-connections=50") as daemon:
        (daemon.root / "a").write_bytes(b"hello")
        flood = Flood(daemon.port, 400)
        flood.connect()
        refusal = "ERR TOO_MANY_CONNECTIONS limit=50 the server has all that it takes"
        assert flood.said == {"OK": 50, refusal: 350}
        assert len(flood.serve("a")) == 50
        flood.close()
        daemon.wait_for_log("left: ", count=50)
        with Conversation(daemon.port) as client:
            assert client.ask("ECHO again") == "again"
        assert sum("turned away" in line for line in daemon.log_lines) <= 2


def test_behind_a_proxy_the_addresses_count_that_it_tells(tmp_path: Path) -> None:
    port = f"haproxy:{LOOPBACK}"
    with Daemon(tmp_path / "root", "--max-connections-per-address=1", ports=[port]) as daemon:

        def told(host: str) -> tuple[Conversation, str]:
            client = Conversation(daemon.port, greeted=False)
            client.send(f"PROXY TCP4 {host} 192.0.2.1 4711 9000\r\n".encode())
            return client, client.line()

        (first, greeting), (second, refusal) = told("192.0.2.7"), told("192.0.2.7")
        third, other_greeting = told("192.0.2.8")
        with first, second, third:
            assert (greeting[:2], other_greeting[:2]) == ("OK", "OK")
            assert refusal == ("ERR TOO_MANY_CONNECTIONS limit=1 your address has all that it may")
            assert second.line() == ""
            assert first.ask("ECHO served") == "served"


def with_open_files(count: int) -> list[str]:
    """What starts a daemon that may have so many files open."""
    limited = f'ulimit -n {count}; exec "$0" "$@"'
    return ["sh", "-c", limited, program("twistd"), "-n", "--pidfile="]


def test_with_few_open_files_whoever_was_let_in_is_served(tmp_path: Path) -> None:
    with Daemon(tmp_path / "root", twistd=with_open_files(64)) as daemon:
        clients = [Conversation(daemon.port) for _ in range(24)]
        with Conversation(daemon.port, greeted=False) as late:
            assert late.line().startswith("ERR TOO_MANY_CONNECTIONS limit=24 ")
        for number, client in enumerate(clients):
            client.send(b"UPLOAD f%d 3 0\nabc" % number)
            assert client.line().startswith("OK offset=0")
            assert client.line().startswith("OK stored=")
        for client in clients:
            client.close()


def test_with_too_few_open_files_it_says_so(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "root", twistd=with_open_files(60))
    with pytest.raises(AssertionError):
        daemon.start()
    assert daemon.log_lines[-1] == "filesrv: the system allows 60 open files; 64 are needed"
