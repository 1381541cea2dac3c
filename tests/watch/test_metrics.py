"""What is counted, of transfers in memory."""

from __future__ import annotations

import pytest
from twisted.internet.defer import ensureDeferred

from filesrv.server.events import LoggedIn, LoginFailed, Who
from filesrv.watch.delay import Delay
from filesrv.watch.ledger import Ledger
from filesrv.watch.metrics import Metrics
from filesrv.watch.moment import Moment
from filesrv.watch.survey import Survey, survey
from tests.support.memory import Client, Server


class Counted:
    """A server whose metrics can be asked for by name."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.ledger = Ledger(server.shelves.events, server.reactor)
        self.metrics = Metrics(server.shelves.events)
        self.moment = Moment(self.ledger, server.reactor)
        self.metrics.registry.register(self.moment)

    def __call__(self, name: str, **labels: str) -> float:
        value = self.metrics.registry.get_sample_value(f"filesrv_{name}", labels)
        assert value is not None, name
        return value

    def survey(self) -> Survey:
        found: list[Survey] = []
        ensureDeferred(survey(self.server.shelves)).addCallback(found.append)
        self.server.settle()
        (self.moment.unfinished,) = found
        return found[0]


@pytest.fixture
def counted(server: Server) -> Counted:
    return Counted(server)


def begin(server: Server, line: bytes, data: bytes = b"") -> Client:
    client = server.connect()
    client.says(line, data)
    return client


def test_transfers_are_counted_by_direction_and_by_how_they_ended(
    server: Server, counted: Counted
) -> None:
    begin(server, b"UPLOAD f 5\n", b"hello")
    begin(server, b"DOWNLOAD f\n")
    begin(server, b"UPLOAD g 5\n", b"he").reset()
    server.settle()

    assert counted("transfers_total", direction="upload", outcome="complete") == 1
    assert counted("transfers_total", direction="upload", outcome="reset") == 1
    assert counted("transfers_total", direction="upload", outcome="stalled") == 0
    assert counted("transfers_total", direction="download", outcome="complete") == 1
    assert counted("transfer_bytes_total", direction="upload") == 7
    assert counted("transfer_bytes_total", direction="download") == 5
    assert counted("connections_total") == 3
    assert counted("connections_open") == 2


def test_bytes_are_counted_while_they_move(server: Server, counted: Counted) -> None:
    client = begin(server, b"UPLOAD f 5\n", b"he")
    assert counted("transfer_bytes_total", direction="upload") == 2
    assert counted("transfers_running", direction="upload") == 1

    client.says(b"llo")
    assert counted("transfer_bytes_total", direction="upload") == 5
    assert counted("transfers_running", direction="upload") == 0


def test_takeovers_refusals_and_bytes_sent_again_are_counted(
    server: Server, counted: Counted
) -> None:
    begin(server, b"UPLOAD f 5\n", b"hell")
    begin(server, b"UPLOAD f 5 1\n", b"ello")
    begin(server, b"DOWNLOAD missing\nNONSENSE\n")

    assert counted("takeovers_total") == 1
    assert counted("refusals_total", code="TAKEN_OVER") == 1
    assert counted("refusals_total", code="NOT_FOUND") == 1
    assert counted("refusals_total", code="UNKNOWN_COMMAND") == 1
    assert counted("transfer_repeated_bytes_total", direction="upload") == 3


def test_what_is_unfinished_is_counted_in_number_bytes_and_age(
    server: Server, counted: Counted
) -> None:
    begin(server, b"UPLOAD f 500\n", b"hell").reset()
    server.pass_time(100)
    begin(server, b"UPLOAD g 500\n", b"hello!").reset()
    begin(server, b"UPLOAD h 500000\n", b"it runs")
    server.pass_time(50)

    counted.survey()

    assert counted("unfinished_uploads") == 2
    assert counted("unfinished_upload_bytes") == 10
    assert counted("unfinished_upload_oldest_seconds") == pytest.approx(150)


def test_many_unfinished_uploads_are_counted_in_slices(server: Server, counted: Counted) -> None:
    for number in range(250):
        begin(server, b"UPLOAD f%d 5\n" % number, b"h").reset()
    server.settle()

    assert counted.survey().uploads == 250


def test_a_transfer_that_stands_still_grows_old(server: Server, counted: Counted) -> None:
    client = begin(server, b"UPLOAD f 5\n", b"he")
    counted.ledger.look()
    server.pass_time(40)
    assert counted("transfer_without_progress_seconds") == pytest.approx(40)

    client.says(b"l")
    assert counted("transfer_without_progress_seconds") == 0


def test_a_rate_is_that_of_late(server: Server, counted: Counted) -> None:
    client = begin(server, b"UPLOAD f 5000\n")
    client.says(b"x" * 1000)
    server.pass_time(1)
    (running,) = counted.ledger.look()
    assert running.rate == 1000

    server.pass_time(10)
    (running,) = counted.ledger.look()
    assert (running.rate, running.position) == (0, 1000)


def test_logins_are_counted(server: Server, counted: Counted) -> None:
    client = begin(server, b"TIME\n")
    assert client.received
    who = Who(1, "user:ann", "192.0.2.1(40000)")
    server.shelves.events.publish(LoginFailed(who, "ann"))
    server.shelves.events.publish(LoggedIn(who))

    assert counted("logins_total", outcome="failed") == 1
    assert counted("logins_total", outcome="done") == 1
    assert counted.ledger.present[1].who.user == "ann"


def test_a_late_reactor_is_seen(server: Server) -> None:
    seen: list[float] = []
    delay = Delay(server.reactor, seen.append)

    delay.start()
    server.pass_time(0.1)
    server.pass_time(0.35)
    delay.stop()
    server.pass_time(1)

    assert [round(late, 6) for late in seen] == [0, 0.25]
