"""Taking a counted run of bytes off a connection."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.python.failure import Failure

from filesrv.transfer.receive import Receiving


class Kept:
    """A sink with so much room."""

    def __init__(self, room: int = 1 << 30) -> None:
        self.data = b""
        self.room = room
        self.calls = 0

    def write(self, data: bytes | memoryview) -> None:
        self.calls += 1
        if len(self.data) + len(data) > self.room:
            raise OSError("full")
        self.data += bytes(data)


def outcome(receiving: Receiving) -> list[object]:
    found: list[object] = []
    receiving.done.addBoth(found.append)
    return found


@given(st.binary(max_size=50), st.binary(max_size=10), st.integers(1, 9))
def test_exactly_the_payload_is_taken_and_the_rest_is_given_back(
    payload: bytes, behind: bytes, size: int
) -> None:
    sink = Kept()
    receiving = Receiving(sink, len(payload))
    rest = b""
    whole = payload + behind
    for start in range(0, len(whole), size):
        if receiving.remaining:
            rest += receiving.feed(whole[start : start + size])
        else:
            rest += whole[start : start + size]

    assert (sink.data, rest, receiving.remaining) == (payload, behind, 0)
    found = outcome(receiving)
    assert found == []
    receiving.finish()
    assert found == [None]


def test_a_sink_that_refuses_is_not_asked_again_and_the_rest_is_counted() -> None:
    sink = Kept(room=4)
    receiving = Receiving(sink, 10)
    refused = []
    for data, surplus in ((b"abc", b""), (b"def", b""), (b"ghijECHO", b"ECHO")):
        assert receiving.feed(data) == surplus
        refused.append(str(receiving.refused))
    assert refused == ["None", "full", "full"]

    assert (sink.data, sink.calls, receiving.remaining) == (b"abc", 2, 0)
    found = outcome(receiving)
    receiving.finish()
    [failure] = found
    assert isinstance(failure, Failure)
    assert failure.value is receiving.refused


def test_who_waits_is_told_that_no_more_will_come() -> None:
    receiving = Receiving(Kept(), 10)
    receiving.feed(b"abc")
    found = outcome(receiving)
    reason = ConnectionError()
    receiving.fail(reason)

    [failure] = found
    assert isinstance(failure, Failure)
    assert failure.value is reason
    assert receiving.remaining == 7


def test_a_fault_of_the_sink_is_kept_for_who_waits() -> None:
    class Faulty:
        def write(self, data: bytes | memoryview) -> None:
            raise ZeroDivisionError

    receiving = Receiving(Faulty(), 2)
    receiving.feed(b"ab")
    receiving.finish()
    [failure] = outcome(receiving)

    assert isinstance(failure, Failure)
    assert failure.check(ZeroDivisionError)
