"""The password file: how it is written, read, and read again."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from filesrv.access.password_file import (
    PasswordFile,
    WrongPasswordFile,
    change_passwords,
    read_passwords,
)
from filesrv.access.passwords import hash_password
from tests.support.logs import collecting

KEPT = hash_password(b"secret")
OTHER = hash_password(b"other")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "passwd"


def test_users_come_change_and_go(path: Path) -> None:
    change_passwords(str(path), "ada", KEPT)
    change_passwords(str(path), "bob@example.com", KEPT)
    change_passwords(str(path), "ada", OTHER)
    assert read_passwords(str(path)) == {"ada": OTHER, "bob@example.com": KEPT}
    change_passwords(str(path), "ada", None)
    assert read_passwords(str(path)) == {"bob@example.com": KEPT}
    with pytest.raises(KeyError):
        change_passwords(str(path), "ada", None)


def test_the_file_is_for_its_owner_alone_and_nothing_is_left_beside_it(path: Path) -> None:
    change_passwords(str(path), "ada", KEPT)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["passwd"]


def test_a_link_to_the_file_stays_one(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    change_passwords(str(link), "ada", KEPT)

    assert link.is_symlink()
    assert read_passwords(str(path)) == {"ada": KEPT}


def test_what_cannot_be_read_is_not_written_over(path: Path) -> None:
    path.write_text("ada:secret\n")
    with pytest.raises(WrongPasswordFile):
        change_passwords(str(path), "bob", KEPT)
    assert path.read_text() == "ada:secret\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("ada:secret", 1, "no Argon2 hash"),
        (f"# me\n\nada:{KEPT}\nbob", 4, "no Argon2 hash"),
        (f"ada:{KEPT}\nada:{KEPT}", 2, "twice"),
        (f"../ada:{KEPT}", 1, "no name of a user"),
        (f"anonymous:{KEPT}", 1, "no name of a user"),
    ],
)
def test_a_fault_is_said_with_its_line_and_without_what_stands_there(
    path: Path, text: str, line: int, words: str
) -> None:
    path.write_text(text)
    with pytest.raises(WrongPasswordFile, match=f"passwd, line {line}: .*{words}") as caught:
        read_passwords(str(path))
    assert "secret" not in str(caught.value)


def test_a_change_counts_at_once(path: Path) -> None:
    change_passwords(str(path), "ada", KEPT)
    file = PasswordFile(str(path))
    assert file.find("ada") == KEPT
    change_passwords(str(path), "ada", OTHER)
    assert file.find("ada") == OTHER
    change_passwords(str(path), "ada", None)
    assert file.find("ada") is None


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("ada:x")])
def test_the_users_stay_as_they_were_while_the_file_cannot_be_read(
    path: Path, damage: object
) -> None:
    assert callable(damage)
    change_passwords(str(path), "ada", KEPT)
    file = PasswordFile(str(path))
    damage(path)
    with collecting() as log:
        assert file.find("ada") == KEPT
        assert file.find("ada") == KEPT
    assert len(log.lines) == 1
    with pytest.raises(WrongPasswordFile):
        file.reload()
    path.unlink(missing_ok=True)
    change_passwords(str(path), "ada", OTHER)
    assert file.find("ada") == OTHER
