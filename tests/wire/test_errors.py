"""The refusals, held against the table of the protocol's document."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from filesrv.wire import errors
from filesrv.wire.errors import BY_CODE, FilesrvError, Retry

PROTOCOL = Path(__file__).parents[2] / "docs" / "protocol.rst"

_ROW = re.compile(r"^   \* - ``([A-Z_]+)``\n     - (.+)\n     - (.+)$", re.MULTILINE)

#: How the document says what is worth trying again.
_RETRIES = {
    "no": Retry.NO,
    "yes": Retry.AS_IT_IS,
    "later": Retry.LATER,
    "with that offset": Retry.WITH_THAT_OFFSET,
    "from the start": Retry.FROM_THE_START,
    "from the first differing block": Retry.FROM_THE_DIFFERENCE,
}


@pytest.fixture(scope="module")
def documented() -> dict[str, tuple[Retry, bool]]:
    """The document's table: each code, what is worth trying again, and what closes."""
    return {
        code: (_RETRIES[retry], "Then the server closes" in meaning)
        for code, meaning, retry in _ROW.findall(PROTOCOL.read_text(encoding="utf-8"))
    }


def test_every_refusal_is_as_the_document_says(documented: dict[str, tuple[Retry, bool]]) -> None:
    assert {code: (kind.retry, kind.closes) for code, kind in BY_CODE.items()} == documented


def test_every_refusal_has_a_code_and_is_exported() -> None:
    kinds = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, FilesrvError) and kind is not FilesrvError
    }
    assert kinds == set(BY_CODE.values())
    assert {kind.__name__ for kind in kinds} <= set(errors.__all__)


@pytest.mark.parametrize("kind", BY_CODE.values(), ids=BY_CODE.keys())
def test_a_refusal_carries_words_and_fields(kind: type[FilesrvError]) -> None:
    error = kind("because", stored=400, name="a b")

    assert (error.words, str(error)) == ("because", "because")
    assert error.fields == {"stored": "400", "name": "a b"}
    assert kind().words == kind.default_words
