"""
Whatever strangers send: it is answered or the connection is closed, nothing outside the
root is touched or told, and no payload is taken for a command.

``pytest tests/fuzz --hypothesis-profile thorough`` tries many times as much.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.corpus import CORPUS, inputs
from fuzz.script import Step, read_script, write_script
from fuzz.targets import NAMES, limits, load, login, payload, session
from tests.fuzz.pieces import pieces


@pytest.fixture(scope="module", autouse=True)
def _leave_nothing() -> Iterator[None]:
    yield
    session.conversations.close()
    login.conversations.close()
    limits.conversations.close()
    payload.close()


@pytest.mark.parametrize("name", NAMES)
def test_what_was_ever_found_breaks_no_promise_again(name: str) -> None:
    kept = list(inputs(CORPUS / name))
    assert kept
    for path in kept:
        load(name).check(path.read_bytes())


@given(name=st.sampled_from(["grammar", "telnet", "proxy", "replies", "files"]), data=pieces())
def test_what_is_read_means_one_thing(name: str, data: bytes) -> None:
    load(name).check(data)


@given(name=st.sampled_from(["session", "login", "limits"]), script=pieces())
def test_every_conversation_is_as_the_contract_says(name: str, script: bytes) -> None:
    load(name).check(script)


@given(how=st.binary(min_size=8, max_size=8), payload=pieces())
def test_no_byte_of_a_payload_is_a_command(how: bytes, payload: bytes) -> None:
    load("payload").check(how + payload)


@given(job=st.binary(min_size=2, max_size=2), answers=st.lists(pieces(10), max_size=10))
def test_no_server_harms_the_client_that_asks_it(job: bytes, answers: list[bytes]) -> None:
    load("download").check(job + b"\0".join(answers))


@given(pieces())
def test_a_script_is_read_as_it_was_written(script: bytes) -> None:
    steps = list(read_script(script, most=1000))
    again = list(read_script(write_script(steps), most=1000))
    assert again == steps == [Step(*step) for step in steps]
