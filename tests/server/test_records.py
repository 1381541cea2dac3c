"""What the registry says of transfers that are going on, and of those that ended in part."""

from __future__ import annotations

from pathlib import Path

from filesrv.wire.endings import Ending
from tests.support.memory import Server


def test_a_slow_upload_of_a_few_bytes_outlives_a_kill(tmp_path: Path) -> None:
    server = Server(tmp_path / "root")
    client = server.connect()
    client.says(b"UPLOAD small 200000\n" + b"a" * 1000)
    server.shelves.record()
    client.says(b"b" * 1000)

    server.kill()

    again = server.connect()
    again.says(b"UPLOAD small 200000\n")
    assert b"OK offset=2000 length=198000" in bytes(again.received)
    server.close()


def test_a_part_that_was_fetched_leaves_the_broken_download_as_it_was(tmp_path: Path) -> None:
    server = Server(tmp_path / "root")
    server.put("f", b"0123456789" * 100)
    going = server.shelves.downloads.begin(
        "192.0.2.1",
        "f",
        0,
        None,
        version=None,
        delivered=lambda: 400,
        on_taken_over=lambda: None,
    )
    going.release(Ending.RESET)
    client = server.connect()

    client.says(b"DOWNLOAD f 0 10\nDOWNLOAD f resume\n")

    assert b"OK offset=400 length=600" in bytes(client.received)
    server.close()


def test_a_slash_behind_the_name_of_a_file_names_nothing(tmp_path: Path) -> None:
    server = Server(tmp_path / "root")
    server.put("f", b"kept")
    client = server.connect()

    client.says(b"DELETE f/\nRENAME f/ g\nRENAME f g/\n")

    assert bytes(client.received).count(b"ERR NOT_FOUND") == 3
    assert server.files() == {"f": b"kept"}
    server.close()
