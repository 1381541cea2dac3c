"""The refusals, held against the table of the protocol's document."""

from __future__ import annotations

import pytest

from filesrv.wire import errors
from filesrv.wire.errors import BY_CODE, FilesrvError, Retry

#: The document's table: each code, and what is worth trying again.
DOCUMENTED = {
    "UNKNOWN_COMMAND": Retry.NO,
    "BAD_ARGUMENTS": Retry.NO,
    "LINE_TOO_LONG": Retry.NO,
    "BAD_NAME": Retry.NO,
    "NOT_FOUND": Retry.NO,
    "EXISTS": Retry.NO,
    "BAD_OFFSET": Retry.WITH_THAT_OFFSET,
    "CHANGED": Retry.FROM_THE_START,
    "BAD_CHECKSUM": Retry.FROM_THE_DIFFERENCE,
    "TOO_LARGE": Retry.NO,
    "QUOTA": Retry.NO,
    "NO_SPACE": Retry.LATER,
    "LOGIN_REQUIRED": Retry.NO,
    "LOGIN_FAILED": Retry.NO,
    "DENIED": Retry.NO,
    "TOO_MANY_CONNECTIONS": Retry.LATER,
    "IDLE": Retry.LATER,
    "SHUTTING_DOWN": Retry.LATER,
    "TAKEN_OVER": Retry.NO,
    "STALLED": Retry.AS_IT_IS,
    "INTERNAL": Retry.LATER,
}


def test_there_is_one_class_for_each_code_and_no_other() -> None:
    assert {code: kind.retry for code, kind in BY_CODE.items()} == DOCUMENTED
    kinds = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, FilesrvError) and kind is not FilesrvError
    }
    assert kinds == set(BY_CODE.values())
    assert {kind.__name__ for kind in kinds} <= set(errors.__all__)


def test_the_server_closes_after_what_ends_a_connection_and_after_nothing_else() -> None:
    closing = {code for code, kind in BY_CODE.items() if kind.closes}

    assert closing == {"TOO_MANY_CONNECTIONS", "IDLE", "SHUTTING_DOWN", "TAKEN_OVER", "STALLED"}


@pytest.mark.parametrize("kind", BY_CODE.values(), ids=BY_CODE.keys())
def test_a_refusal_carries_words_and_fields(kind: type[FilesrvError]) -> None:
    error = kind("because", stored=400, name="a b")

    assert (error.words, str(error)) == ("because", "because")
    assert error.fields == {"stored": "400", "name": "a b"}
    assert kind().words == kind.default_words
