"""Which answer belongs to which datagram."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from filesrv.client.round_trips import RoundTrip, RoundTrips


def sent(trips: RoundTrips, data: bytes, at: float = 0.0) -> RoundTrip:
    trip = RoundTrip(data, at)
    trips.sent(trip)
    return trip


def test_an_answer_is_timed_from_its_own_datagram() -> None:
    trips = RoundTrips()
    sent(trips, b"a", 1.0)
    sent(trips, b"b", 2.0)
    assert trips.answered(b"b", 2.5) == (False, 0.5)
    assert trips.answered(b"a", 4.0) == (False, 3.0)
    assert not len(trips)
    assert trips.totals.least_median_most == (0.5, 1.75, 3.0)


def test_what_was_not_sent_is_no_answer() -> None:
    trips = RoundTrips()
    sent(trips, b"a")
    assert trips.answered(b"A", 1.0) is None
    assert not trips.is_double(b"A")
    assert len(trips) == 1


def test_an_answer_that_comes_twice_counts_once() -> None:
    trips = RoundTrips()
    sent(trips, b"a")
    assert trips.answered(b"a", 1.0) is not None
    assert trips.answered(b"a", 1.1) is None
    assert trips.is_double(b"a")
    assert trips.totals.received == 1


def test_equal_datagrams_are_answered_in_their_order() -> None:
    trips = RoundTrips()
    for moment in (1.0, 2.0):
        sent(trips, b"same", moment)
    assert [trips.answered(b"same", 3.0), trips.answered(b"same", 3.0)] == [
        (False, 2.0),
        (False, 1.0),
    ]


def test_what_comes_late_is_no_longer_lost() -> None:
    trips = RoundTrips()
    trip = sent(trips, b"a", 1.0)
    trips.lost(trip)
    assert trips.totals.lost == 1
    assert trips.answered(b"a", 6.0) == (True, 5.0)
    assert (trips.totals.received, trips.totals.lost) == (1, 0)


def test_one_that_is_waited_for_is_answered_before_an_equal_one_that_was_lost() -> None:
    trips = RoundTrips()
    trips.lost(sent(trips, b"a", 1.0))
    sent(trips, b"a", 5.0)
    assert trips.answered(b"a", 5.5) == (False, 0.5)


def test_a_clock_that_is_set_back_makes_no_negative_time() -> None:
    trips = RoundTrips()
    sent(trips, b"a", 10.0)
    assert trips.answered(b"a", 9.0) == (False, 0.0)


def test_nothing_sent_is_nothing_lost() -> None:
    totals = RoundTrips().totals
    assert (totals.sent, totals.received, totals.lost) == (0, 0, 0)
    assert totals.least_median_most is None


def test_what_is_remembered_of_the_past_is_bounded() -> None:
    trips = RoundTrips()
    for number in range(1000):
        trips.lost(sent(trips, b"%d" % number))
    assert trips.answered(b"0", 1.0) is None
    assert trips.answered(b"999", 1.0) is not None


@given(st.lists(st.tuples(st.sampled_from(["send", "lose", "answer"]), st.sampled_from("ab"))))
def test_the_totals_add_up_whatever_happens(events: list[tuple[str, str]]) -> None:
    trips = RoundTrips()
    count = 0
    for what, text in events:
        if what == "send":
            count += 1
            sent(trips, text.encode())
        elif what == "answer":
            trips.answered(text.encode(), 1.0)
        elif len(trips):
            trips.lost(next(iter(trips)))
        totals = trips.totals
        assert totals.sent == count
        assert 0 <= totals.received <= count
        assert totals.lost == count - totals.received
        assert len(trips) <= totals.lost
