"""What is kept of an upload when the disk takes neither the rest of it nor a row."""

from __future__ import annotations

import errno
import random

import pytest

from filesrv.store.database import Database
from filesrv.store.partials import Partial
from filesrv.wire.errors import NoSpace
from tests.support.memory import Server

CONTENT = random.Random(5).randbytes(100_000)

#: Bytes that the disk has room for.
ROOM = 60_000


class FullDisk:
    """Takes L{ROOM} bytes of payload, and a row where so many of these were given back."""

    def __init__(self, server: Server, patch: pytest.MonkeyPatch, row: int) -> None:
        self._server = server
        self._row = row
        write, keep = Partial.write, Database.write

        def write_payload(partial: Partial, data: bytes | memoryview) -> None:
            room = ROOM - partial.size
            write(partial, data[:room])
            if len(data) > room:
                raise OSError(errno.ENOSPC, "full")

        def write_row(
            database: Database, statement: str, *values: object, durable: bool = False
        ) -> None:
            if statement.startswith("INSERT") and self.left < self._row:
                raise NoSpace
            keep(database, statement, *values, durable=durable)

        patch.setattr(Partial, "write", write_payload)
        patch.setattr(Database, "write", write_row)

    @property
    def left(self) -> int:
        return ROOM - sum(map(len, self._server.held()))


def test_the_last_bytes_make_room_for_the_row_and_the_rest_can_be_gone_on_with(
    server: Server,
) -> None:
    client = server.connect()
    with pytest.MonkeyPatch.context() as patch:
        FullDisk(server, patch, row=16_384)
        answer = client.says(b"UPLOAD f %d\n" % len(CONTENT), CONTENT)
    assert answer.splitlines()[1].startswith(b"ERR NO_SPACE ")
    (held,) = server.held()
    assert held == CONTENT[: len(held)]
    assert 0 < ROOM - len(held) <= 32 * 1024

    server.kill()
    again = server.connect()
    head = again.says(b"UPLOAD f %d\n" % len(CONTENT))
    assert head.startswith(b"OK offset=%d " % len(held))
    again.says(CONTENT[len(held) :])

    assert server.files() == {"f": CONTENT}
    assert server.held() == []


def test_what_cannot_be_gone_on_with_does_not_fill_the_disk(server: Server) -> None:
    client = server.connect()
    with pytest.MonkeyPatch.context() as patch:
        FullDisk(server, patch, row=10**9)
        client.says(b"UPLOAD f %d\n" % len(CONTENT), CONTENT)

    assert server.held() == []
    assert client.asks(b"PENDING") == ["OK lines=0"]
