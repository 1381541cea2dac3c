"""How passwords are kept, and what checking one costs."""

from __future__ import annotations

import resource
import time

import pytest
from argon2 import Type, extract_parameters

from filesrv.access.passwords import check_hash, decoy, hash_password, verify


def hashed(kind: str, parameters: str, digest: str = "A" * 43) -> str:
    """What some other program may have written."""
    return f"${kind}$v=19${parameters}${'A' * 22}${digest}"


def test_a_password_agrees_with_its_own_hash_alone() -> None:
    kept = hash_password("pässword mit Blank".encode())

    assert verify(kept, "pässword mit Blank".encode())
    assert not verify(kept, b"password mit Blank")
    assert not verify(decoy(), b"")


def test_equal_passwords_have_hashes_of_their_own() -> None:
    assert hash_password(b"same") != hash_password(b"same")


def test_hashes_are_as_hard_to_try_out_as_owasp_asks() -> None:
    # https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
    found = extract_parameters(hash_password(b"x"))

    assert found.type is Type.ID
    assert (found.memory_cost, found.time_cost, found.parallelism) >= (19456, 2, 1)
    check_hash(hash_password(b"x"))


def test_checking_a_password_holds_the_thread_for_less_than_a_tenth_of_a_second() -> None:
    kept = hash_password(b"secret")
    took = []
    for _ in range(5):
        started = time.process_time()
        verify(kept, b"secret")
        took.append(time.process_time() - started)

    # The processor's time, and the least: other tests run at the same time.
    assert min(took) < 0.1


def test_checking_a_password_takes_no_more_memory_than_the_hash_says() -> None:
    kept = hash_password(b"secret")
    verify(kept, b"secret")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        verify(kept, b"secret")

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 19 * 1024


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ("secret", "no Argon2 hash"),
        ("$2b$12$abcdefghijklmnopqrstuv", "no Argon2 hash"),
        (hashed("argon2id", "m=8192,t=1,p=1"), "too easily"),
        (hashed("argon2id", "m=1024,t=40,p=1"), "too easily"),
        (hashed("argon2id", "m=65536,t=3,p=1"), "hold up everybody"),
        (hashed("argon2id", "m=19456,t=2,p=4"), "one lane"),
        (hashed("argon2d", "m=19456,t=2,p=1"), "Argon2id"),
        (hashed("argon2id", "m=19456,t=2,p=1", "A" * 11), "too short"),
    ],
)
def test_hashes_that_are_weak_or_slow_are_not_taken(kept: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_hash(kept)
