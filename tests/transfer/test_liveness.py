"""Is the peer still there?  By a clock and a kernel that tests move."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from filesrv.transfer import liveness
from filesrv.transfer.liveness import Liveness, Peer
from filesrv.transfer.sockets import TCPInfo
from filesrv.wire.endings import Ending


class NoSocket:
    """What stands for a socket of which the kernel tells what a test says."""

    family = None


@dataclass
class Watched:
    """A peer, and what is known of it."""

    clock: Clock = field(default_factory=Clock)
    count: int | None = None
    waiting: int = 0
    info: TCPInfo | None = None
    endings: list[Ending] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.liveness = Liveness(self.clock, 30.0, 300.0)
        self.peer = self.another()

    def another(self) -> Peer:
        return self.liveness.watch(object(), lambda: self.count, self.endings.append)

    def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    made = Watched()
    monkeypatch.setattr(liveness, "socket_under", lambda transport: NoSocket)
    monkeypatch.setattr(liveness, "unsent", lambda sock: made.waiting)
    monkeypatch.setattr(liveness, "tcp_info", lambda sock: made.info)
    return made


def info(
    *,
    in_flight: int = 0,
    probes: int = 0,
    silent: float = 0,
    acked: int = 0,
    window: int = 0,
) -> TCPInfo:
    return TCPInfo(probes, in_flight, int(silent * 1000), acked, window)


class TestStalling:
    def test_a_peer_that_moves_nothing_for_the_stall_time_has_stalled(
        self, watched: Watched
    ) -> None:
        watched.count = 5
        watched.peer.wake()
        watched.pass_time(299)
        assert watched.endings == []
        watched.pass_time(3)

        assert watched.endings == [Ending.STALLED]
        watched.pass_time(1000)
        assert watched.endings == [Ending.STALLED]

    def test_a_byte_now_and_then_is_enough(self, watched: Watched) -> None:
        watched.count = 0
        watched.peer.wake()
        for _ in range(10):
            watched.pass_time(290)
            watched.count += 1

        assert watched.endings == []

    def test_answers_of_its_machine_do_not_keep_a_stopped_program_from_stalling(
        self, watched: Watched
    ) -> None:
        watched.count, watched.waiting = 7, 1000
        watched.peer.wake()
        for second in range(302):
            watched.info = info(probes=second % 2, silent=0.1, acked=second)
            watched.pass_time(1)

        assert watched.endings == [Ending.STALLED]

    def test_no_peer_is_to_blame_while_this_process_is_stopped(self, watched: Watched) -> None:
        """Or its machine asleep: what the peer sends again comes after the first look."""
        watched.count = 5
        watched.peer.wake()
        watched.pass_time(10)
        watched.clock.advance(1000)
        assert watched.endings == []
        watched.pass_time(285)
        assert watched.endings == []
        watched.pass_time(10)

        assert watched.endings == [Ending.STALLED]

    def test_a_peer_of_which_nothing_is_expected_never_stalls_and_costs_no_timer(
        self, watched: Watched
    ) -> None:
        watched.peer.wake()
        watched.pass_time(1)
        assert watched.clock.getDelayedCalls() == []
        watched.pass_time(10_000)

        assert watched.endings == []

    def test_it_can_be_woken_again_and_its_pause_does_not_count(self, watched: Watched) -> None:
        watched.peer.wake()
        watched.pass_time(5000)
        watched.count = 1
        watched.peer.wake()
        watched.pass_time(299)
        assert watched.endings == []
        watched.pass_time(3)

        assert watched.endings == [Ending.STALLED]

    def test_a_peer_that_was_stopped_is_left_alone(self, watched: Watched) -> None:
        watched.count = 1
        watched.peer.wake()
        watched.peer.stop()
        watched.peer.stop()

        assert watched.clock.getDelayedCalls() == []

    def test_many_share_one_timer_and_each_is_looked_at(self, watched: Watched) -> None:
        watched.count = 1
        peers = [watched.another() for _ in range(5)]
        for peer in peers:
            peer.wake()
        assert len(watched.clock.getDelayedCalls()) == 1
        peers[0].stop()
        watched.pass_time(302)

        assert watched.endings == [Ending.STALLED] * 4
        assert watched.clock.getDelayedCalls() == []

    def test_a_last_reply_to_who_stalled_wakes_it_and_one_timer_goes_on(
        self, watched: Watched
    ) -> None:
        ended: list[Ending] = []

        def end(ending: Ending) -> None:
            ended.append(ending)
            peer.wake()

        watched.count = 1
        peer = watched.liveness.watch(object(), lambda: watched.count, end)
        peer.wake()
        watched.pass_time(302)

        assert ended == [Ending.STALLED]
        assert len(watched.clock.getDelayedCalls()) == 1


class TestDying:
    def _silent_for(self, watched: Watched, seconds: int, **what: int) -> None:
        start = watched.clock.seconds()
        for _ in range(seconds):
            watched.info = info(silent=watched.clock.seconds() + 1 - start, **what)
            watched.pass_time(1)

    def test_a_peer_that_acknowledges_nothing_is_dead_in_time(self, watched: Watched) -> None:
        watched.waiting = 1000
        watched.peer.wake()
        self._silent_for(watched, 29, in_flight=3)
        assert watched.endings == []
        self._silent_for(watched, 3, in_flight=3)
        self._silent_for(watched, 40, in_flight=3)

        assert watched.endings == [Ending.DEAD_UNACKNOWLEDGED]

    def test_a_peer_that_answers_with_a_closed_window_lives(self, watched: Watched) -> None:
        watched.count = None
        watched.waiting = 1000
        watched.info = info(probes=1, silent=0.2)
        watched.peer.wake()
        watched.pass_time(250)

        assert watched.endings == []

    def test_a_peer_that_stops_answering_the_probes_of_its_window_is_dead(
        self, watched: Watched
    ) -> None:
        watched.waiting = 1000
        watched.peer.wake()
        self._silent_for(watched, 45, probes=3)

        assert watched.endings == [Ending.DEAD_UNACKNOWLEDGED]

    def test_an_old_silence_does_not_count_against_what_was_just_sent(
        self, watched: Watched
    ) -> None:
        watched.peer.wake()
        watched.pass_time(10)
        watched.waiting = 10
        watched.info = info(in_flight=1, silent=4000)
        watched.peer.wake()
        watched.pass_time(25)

        assert watched.endings == []

    def test_a_paused_peer_that_lives_stalls_in_the_end_and_not_before(
        self, watched: Watched
    ) -> None:
        watched.count, watched.waiting = 7, 1000
        watched.info = info(probes=1, silent=0.2)
        watched.peer.wake()
        watched.pass_time(299)
        assert watched.endings == []
        watched.pass_time(3)

        assert watched.endings == [Ending.STALLED]

    def test_a_paused_peer_that_dies_is_dead_in_time_from_its_last_answer(
        self, watched: Watched
    ) -> None:
        watched.count, watched.waiting = 7, 1000
        watched.info = info(probes=1, silent=0.2)
        watched.peer.wake()
        watched.pass_time(100)
        self._silent_for(watched, 29, probes=2)
        assert watched.endings == []
        self._silent_for(watched, 31, probes=2)

        assert watched.endings == [Ending.DEAD_UNACKNOWLEDGED]

    def test_a_probe_that_has_only_just_gone_out_is_given_time_to_be_answered(
        self, watched: Watched
    ) -> None:
        watched.waiting = 1000
        watched.peer.wake()
        watched.info = info(silent=120)  # Its window is closed, and none was due yet.
        watched.pass_time(20)
        watched.info = info(probes=1, silent=140)
        watched.pass_time(9)

        assert watched.endings == []

    def test_who_talks_and_acknowledges_nothing_is_dead_in_time(self, watched: Watched) -> None:
        # A router drops what goes there, and what comes from there arrives.
        watched.count, watched.waiting = 7, 1000
        watched.info = info(in_flight=3, silent=0.1, acked=500, window=65536)
        watched.peer.wake()
        watched.pass_time(30)
        assert watched.endings == []
        watched.pass_time(2)

        assert watched.endings == [Ending.DEAD_UNACKNOWLEDGED]

    def test_who_acknowledges_a_little_now_and_then_lives(self, watched: Watched) -> None:
        watched.count, watched.waiting = 0, 1000
        watched.peer.wake()
        for acked in range(10):
            watched.count = acked
            watched.info = info(in_flight=3, silent=0.1, acked=acked, window=65536)
            watched.pass_time(28)

        assert watched.endings == []

    def test_one_that_was_found_dead_has_not_stalled_as_well(self, watched: Watched) -> None:
        watched.count, watched.waiting = 7, 1000
        watched.peer.wake()
        self._silent_for(watched, 400, in_flight=3)

        assert watched.endings == [Ending.DEAD_UNACKNOWLEDGED]

    def test_where_the_kernel_does_not_tell_only_stalling_is_seen(self, watched: Watched) -> None:
        watched.waiting, watched.info, watched.count = 1000, None, 3
        watched.peer.wake()
        watched.pass_time(100)
        assert watched.endings == []
        watched.pass_time(210)

        assert watched.endings == [Ending.STALLED]


class TestLackingOptions:
    def test_what_the_system_lacks_is_said_once(
        self, watched: Watched, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(socket, "TCP_KEEPCNT")
        with socket.socket() as sock, capturedLogs() as events:
            monkeypatch.setattr(liveness, "socket_under", lambda transport: sock)
            for _ in range(3):
                watched.another()
        said = [formatEvent(event) for event in events if "option" in event]

        assert said.count("this system lacks TCP_KEEPCNT: a dead peer may be noticed later") == 1
        assert len(said) == len(set(said))

    def test_a_system_that_lacks_nothing_is_said_nothing_of(
        self, watched: Watched, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(liveness, "limit_retransmission", lambda sock, seconds: [])
        with socket.socket() as sock, capturedLogs() as events:
            monkeypatch.setattr(liveness, "socket_under", lambda transport: sock)
            watched.another()

        assert [event for event in events if "option" in event] == []
