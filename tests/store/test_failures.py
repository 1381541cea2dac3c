"""What a failed system call means to a client."""

from __future__ import annotations

import errno
import os

import pytest

from filesrv.store.failures import refusals
from filesrv.wire.errors import BY_CODE, Exists, NotFound


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ENOENT", "NOT_FOUND"),
        ("ELOOP", "NOT_FOUND"),
        ("ENOTDIR", "NOT_FOUND"),
        ("ENXIO", "NOT_FOUND"),
        ("ENODEV", "NOT_FOUND"),
        ("EEXIST", "EXISTS"),
        ("ENOTEMPTY", "EXISTS"),
        ("EISDIR", "EXISTS"),
        ("EINVAL", "BAD_NAME"),
        ("ENAMETOOLONG", "BAD_NAME"),
        ("EACCES", "DENIED"),
        ("EPERM", "DENIED"),
        ("EROFS", "DENIED"),
        ("ENOSPC", "NO_SPACE"),
        ("EDQUOT", "NO_SPACE"),
        ("EFBIG", "NO_SPACE"),
        ("EIO", "INTERNAL"),
        ("EMFILE", "INTERNAL"),
        ("ESTALE", "INTERNAL"),
    ],
)
def test_each_error_has_one_code_and_no_path_or_system_text_in_its_words(
    name: str, code: str
) -> None:
    number = getattr(errno, name)
    with pytest.raises(BY_CODE[code]) as refused, refusals("dir/my file"):
        raise OSError(number, os.strerror(number), "/secret/place/dir/my file")

    assert "/secret" not in refused.value.words
    assert os.strerror(number) not in refused.value.words
    assert "Errno" not in refused.value.words


def test_an_error_without_a_number_is_the_servers_fault() -> None:
    with pytest.raises(BY_CODE["INTERNAL"]), refusals("f"):
        raise OSError("nobody knows")


def test_a_name_that_is_not_found_is_said_as_a_client_writes_it() -> None:
    with pytest.raises(NotFound, match='"my file"'), refusals("my file"):
        raise FileNotFoundError(errno.ENOENT, "")


def test_what_is_no_failure_of_the_system_passes() -> None:
    with refusals("f"):
        pass
    with pytest.raises(ZeroDivisionError), refusals("f"):
        raise ZeroDivisionError
    with pytest.raises(NotFound, match="mine"), refusals("f"):
        raise NotFound("mine")


def test_a_name_that_was_taken_meanwhile_is_said_to_be_there_already() -> None:
    with pytest.raises(Exists, match=r"^f is there already$"), refusals("f"):
        raise FileExistsError(errno.EEXIST, "exists")
