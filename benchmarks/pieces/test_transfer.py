"""
Payloads: what is done for every piece that was read.
"""

from __future__ import annotations

import os
from typing import Any

from filesrv.transfer.digest import BlockDigests
from filesrv.transfer.receive import READ_SIZE, Receiving

#: What one benchmark takes in.
SIZE = 64 * 1024 * 1024


class _Nowhere:
    """A sink that only counts."""

    taken = 0

    def write(self, data: bytes | memoryview) -> None:
        self.taken += len(data)


def _received(piece: bytes) -> int:
    sink = _Nowhere()
    receiving = Receiving(sink, SIZE)
    while receiving.remaining:
        receiving.feed(piece)
    return sink.taken


def _digested(piece: bytes) -> int:
    digests = BlockDigests()
    for _ in range(SIZE // len(piece)):
        digests.update(piece)
    assert digests.hexdigest()
    return digests.position


def test_a_payload_is_counted(benchmark: Any) -> None:
    assert benchmark(_received, bytes(READ_SIZE)) == SIZE


def test_a_payload_is_digested(benchmark: Any) -> None:
    assert benchmark(_digested, os.urandom(READ_SIZE)) == SIZE


def test_a_payload_in_small_pieces_is_digested(benchmark: Any) -> None:
    assert benchmark(_digested, os.urandom(16 * 1024)) == SIZE
