"""The pages of a real daemon, after real transfers."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon import LOOPBACK, Daemon


class Pages:
    """A daemon with its pages."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.port = int(daemon.addresses[-1].rpartition(":")[2])

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        assert answer.getheader("Server") is None
        text = answer.read().decode()
        connection.close()
        assert "wisted" not in text
        return answer.status, text

    def metric(self, series: str) -> float:
        status, page = self.get("/metrics")
        assert status == 200
        found = re.search(rf"^{re.escape(series)} (\S+)$", page, re.MULTILINE)
        assert found, page
        return float(found[1])


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    root = tmp_path_factory.mktemp("pages") / "root"
    with Daemon(root, f"--metrics={LOOPBACK}") as daemon:
        yield Pages(daemon)


def talk(daemon: Daemon, said: bytes) -> bytes:
    """All that the daemon answers until it closes."""
    with socket.create_connection(("127.0.0.1", daemon.port)) as connection:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_real_transfers_are_on_the_page_of_metrics(pages: Pages) -> None:
    daemon = pages.daemon
    assert b"OK stored=whole" in talk(daemon, b"UPLOAD whole 5\nhello")
    talk(daemon, b"UPLOAD broken 10\nhello")
    assert b"ERR NOT_FOUND" in talk(daemon, b"DOWNLOAD missing\n")
    with socket.create_connection(("127.0.0.1", daemon.port)) as first:
        first.sendall(b"UPLOAD taken 5\n")
        while b"OK offset" not in first.recv(4096):
            pass
        assert b"OK stored=taken" in talk(daemon, b"UPLOAD taken 5\nhello")
        while first.recv(4096):
            pass

    assert pages.metric('filesrv_transfers_total{direction="upload",outcome="complete"}') == 2
    assert pages.metric('filesrv_transfers_total{direction="upload",outcome="closed"}') == 1
    assert pages.metric('filesrv_transfers_total{direction="upload",outcome="taken-over"}') == 1
    assert pages.metric('filesrv_transfer_bytes_total{direction="upload"}') == 15
    assert pages.metric('filesrv_refusals_total{code="NOT_FOUND"}') == 1
    assert pages.metric("filesrv_takeovers_total") == 1
    assert pages.metric("filesrv_unfinished_uploads") == 1
    assert pages.metric("filesrv_unfinished_upload_bytes") == 5
    assert pages.metric("filesrv_connections_total") == 5


def test_the_page_is_made_without_a_second_thread(pages: Pages) -> None:
    assert pages.get("/metrics")[0] == 200
    assert pages.daemon.status("Threads") == "1"


def test_a_scraper_that_wants_openmetrics_gets_it(pages: Pages) -> None:
    wanted = "application/openmetrics-text; version=1.0.0"
    assert pages.get("/metrics", Accept=wanted)[1].endswith("# EOF\n")


def test_nothing_else_is_there(pages: Pages) -> None:
    assert pages.get("/")[0] == 404
    assert pages.get("/metrics/more")[0] == 404
    assert pages.get("/health", "POST")[0] == 405
    assert pages.get("/health", "HEAD") == (200, "")


def test_health_tells_of_a_root_that_cannot_be_written(pages: Pages, tmp_path: Path) -> None:
    assert pages.get("/health") == (200, "ok\n")

    root, aside = pages.daemon.root, tmp_path / "aside"
    root.rename(aside)
    assert pages.get("/health") == (503, "the root cannot be written\n")
    aside.rename(root)
    assert pages.get("/health") == (200, "ok\n")


def test_health_tells_of_a_daemon_that_is_about_to_stop(tmp_path: Path) -> None:
    with Daemon(tmp_path / "root", f"--metrics={LOOPBACK}", "--drain=60") as daemon:
        pages = Pages(daemon)
        with socket.create_connection(("127.0.0.1", daemon.port)) as client:
            client.sendall(b"UPLOAD f 5\n")
            while b"OK offset" not in client.recv(4096):
                pass
            mark = daemon.mark()
            os.kill(daemon.pid, signal.SIGTERM)
            daemon.wait_for_log("connections that end within 60 s: 1", mark)
            assert pages.get("/health") == (503, "draining\n")
            client.sendall(b"hello")
            while client.recv(4096):
                pass
        daemon.wait_for_log("transfers were finished", mark)


def test_what_cannot_be_listened_on_is_said_in_a_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        daemon = Daemon(tmp_path / "root", f"--metrics={place}")
        with pytest.raises(AssertionError):
            daemon.start()
    assert daemon.log_lines[-1] == f"filesrv: cannot listen on {place}: Address already in use"


def test_the_service_is_imported_without_the_web_server_and_the_metrics() -> None:
    code = "import sys, filesrv.service; print(*sorted(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    imported = ran.stdout.split()
    assert "filesrv.watch.watching" in imported
    assert not {"twisted.web.server", "prometheus_client"} & set(imported)
