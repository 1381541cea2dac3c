"""
How passwords are kept: Argon2id, sized so that checking one does not stop the one thread
for long.

The least that OWASP's Password Storage Cheat Sheet accepts is 19 MiB with two passes, or
more of one and less of the other.  scrypt at OWASP's least takes 128 MiB and several times
as long.
"""

from __future__ import annotations

from functools import lru_cache
from secrets import token_hex

__all__ = ["check_hash", "decoy", "hash_password", "verify"]

#: KiB of memory, and passes over it: of OWASP's choices the one that takes least time, about
#: 25 ms on one core of 2020.
MEMORY_COST = 19 * 1024
TIME_COST = 2

#: More lanes would be more threads.
PARALLELISM = 1

#: KiB times passes of what was hashed elsewhere: below is weaker than OWASP's least, above
#: could hold the thread for more than a tenth of a second.
_LEAST_COST = 7 * 1024 * 5
_MOST_COST = 64 * 1024
_LEAST_MEMORY = 7 * 1024

#: Bytes; shorter ones can be found by trying.
_LEAST_SALT = 8
_LEAST_HASH = 16


def hash_password(password: bytes) -> str:
    """What is kept of a password, in the form of the Password Hashing Competition."""
    from argon2 import PasswordHasher

    return PasswordHasher(TIME_COST, MEMORY_COST, PARALLELISM).hash(password)


def verify(kept: str, password: bytes) -> bool:
    """Whether C{kept} is of that password.  This holds the thread for some 25 ms."""
    from argon2 import PasswordHasher
    from argon2.exceptions import VerifyMismatchError

    try:
        return PasswordHasher().verify(kept, password)
    except VerifyMismatchError:
        return False


@lru_cache(maxsize=1)
def decoy() -> str:
    """
    What the password of somebody whom nobody knows is checked against, so that it takes as
    long as with anybody else.  No password agrees with it.
    """
    return hash_password(token_hex().encode())


def check_hash(kept: str) -> None:
    """
    @raise ValueError: it is no hash that L{verify} should be given.
    """
    from argon2 import Type, extract_parameters
    from argon2.exceptions import InvalidHashError

    try:
        found = extract_parameters(kept)
    except InvalidHashError:
        raise ValueError("what stands behind the colon is no Argon2 hash") from None
    cost = found.memory_cost * found.time_cost
    if found.type is not Type.ID or found.parallelism != PARALLELISM:
        raise ValueError("the hash is not of Argon2id with one lane")
    if cost < _LEAST_COST or found.memory_cost < _LEAST_MEMORY:
        raise ValueError("the hash is too easily tried out")
    if cost > _MOST_COST:
        raise ValueError("checking the hash would hold up everybody else")
    if found.salt_len < _LEAST_SALT or found.hash_len < _LEAST_HASH:
        raise ValueError("the hash or its salt is too short")
