"""From exceptions to one line and an exit status."""

from __future__ import annotations

import errno

import pytest

from filesrv.client.errors import (
    Busy,
    CannotConnect,
    ConnectionEnded,
    GaveUp,
    SomeFailed,
)
from filesrv.client.outcomes import GIVEN_UP, REFUSED, USAGE, explain
from filesrv.wire.endings import Ending
from filesrv.wire.errors import BY_CODE, Denied, NoSpace, NotFound, Retry
from filesrv.wire.replies import MalformedReply


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("no f"), REFUSED),
        (Denied(), REFUSED),
        (NoSpace(), GIVEN_UP),
        (GaveUp("x"), GIVEN_UP),
        (CannotConnect("x"), GIVEN_UP),
        (ConnectionEnded(Ending.RESET), GIVEN_UP),
        (ConnectionEnded(Ending.TAKEN_OVER), REFUSED),
        (MalformedReply("x"), REFUSED),
        (Busy("x"), REFUSED),
        (OSError(errno.ENOSPC, "full"), GIVEN_UP),
        (FileNotFoundError(errno.ENOENT, "no", "f"), USAGE),
        (IsADirectoryError(errno.EISDIR, "no", "f"), USAGE),
        (PermissionError(errno.EACCES, "no", "f"), REFUSED),
        (BrokenPipeError(), REFUSED),
        (SomeFailed([NotFound("f")], 3), REFUSED),
        (SomeFailed([GaveUp("f"), NotFound("f")], 3), REFUSED),
        (SomeFailed([NoSpace(), NoSpace()], 3), GIVEN_UP),
        (ZeroDivisionError("x"), REFUSED),
    ],
)
def test_every_end_has_its_exit_status(error: Exception, status: int) -> None:
    assert explain(error)[1] == status


def test_every_refusal_of_the_contract_is_one_line_with_its_code() -> None:
    for code, kind in BY_CODE.items():
        message, status = explain(kind())
        assert code in message
        assert "\n" not in message
        assert status == (GIVEN_UP if kind.retry in (Retry.LATER, Retry.AS_IT_IS) else REFUSED)


def test_a_local_error_names_the_file() -> None:
    error = PermissionError(errno.EACCES, "Permission denied", "/x/y")

    assert explain(error)[0] == "/x/y: Permission denied"


def test_a_full_local_disk_is_not_taken_for_the_servers() -> None:
    assert "here, not on the server" in explain(OSError(errno.ENOSPC, "No space left"))[0]


def test_a_pipe_that_nobody_reads_any_more_is_nothing_to_talk_about() -> None:
    assert explain(BrokenPipeError(errno.EPIPE, "Broken pipe"))[0] == ""
