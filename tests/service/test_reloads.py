"""What SIGHUP has read again."""

from __future__ import annotations

from filesrv.service.reloads import Reloads
from tests.support.logs import Log


def test_what_cannot_be_read_keeps_nothing_else_from_it(log: Log) -> None:
    read: list[str] = []
    reloads = Reloads()

    def broken() -> None:
        raise OSError("rights.toml:3: no such right")

    reloads.add("certificates", lambda: read.append("certificates"))
    reloads.add("rights", broken)
    reloads.add("passwords", lambda: read.append("passwords"))
    reloads.run()

    assert read == ["certificates", "passwords"]
    assert log.lines == [
        "read certificates again",
        "rights stay as they were: rights.toml:3: no such right",
        "read passwords again",
    ]


def test_where_there_is_nothing_that_is_said(log: Log) -> None:
    Reloads().run()

    assert log.lines == ["there is nothing to read again"]
