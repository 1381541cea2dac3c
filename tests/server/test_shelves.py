"""Opening and closing a root."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from filesrv.server.shelves import CannotOpen, open_shelves
from tests.support.memory import Server, open_descriptors


def test_what_is_missing_is_made_and_the_state_is_private(tmp_path: Path) -> None:
    root = tmp_path / "not" / "there" / "yet"
    open_shelves(str(root), Clock(), keep=1.0).close()

    assert stat.S_IMODE((root / ".filesrv").stat().st_mode) == 0o700
    assert {place.name for place in root.iterdir()} == {".filesrv"}


def test_a_state_that_others_could_look_into_is_private_from_then_on(tmp_path: Path) -> None:
    (tmp_path / ".filesrv").mkdir(0o755)
    open_shelves(str(tmp_path), Clock(), keep=1.0).close()

    assert stat.S_IMODE((tmp_path / ".filesrv").stat().st_mode) == 0o700


@pytest.mark.parametrize("target", ["../elsewhere", "../nowhere"])
def test_a_state_that_is_a_link_is_not_kept_where_it_leads(tmp_path: Path, target: str) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    root.mkdir()
    elsewhere.mkdir()
    (root / ".filesrv").symlink_to(target)

    with pytest.raises(CannotOpen) as refused:
        open_shelves(str(root), Clock(), keep=1.0)

    assert f"cannot keep files in {root}: " in str(refused.value)
    assert list(elsewhere.iterdir()) == []
    assert not (tmp_path / "nowhere").exists()


def test_nothing_stays_open_behind_it(tmp_path: Path) -> None:
    before = open_descriptors()
    open_shelves(str(tmp_path / "root"), Clock(), keep=1.0).close()

    assert open_descriptors() == before


def test_a_second_daemon_is_kept_off_the_root_until_the_first_has_gone(tmp_path: Path) -> None:
    first = open_shelves(str(tmp_path), Clock(), keep=1.0)
    with pytest.raises(CannotOpen, match=f"another filesrv serves {tmp_path}"):
        open_shelves(str(tmp_path), Clock(), keep=1.0)
    first.close()

    open_shelves(str(tmp_path), Clock(), keep=1.0).close()


def test_a_root_that_is_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CannotOpen) as refused:
        open_shelves(str(tmp_path / "file"), Clock(), keep=1.0)

    assert "\n" not in str(refused.value)
    assert str(tmp_path / "file") in str(refused.value)


@pytest.mark.parametrize("name", ["registry.sqlite", "digests.sqlite"])
def test_a_broken_registry_is_refused_in_one_line_and_nothing_stays_open(
    tmp_path: Path, name: str
) -> None:
    state = tmp_path / ".filesrv"
    state.mkdir()
    (state / name).write_bytes(b"this is no database, whatever its name says" * 100)
    before = open_descriptors()
    with pytest.raises(CannotOpen, match="registry") as refused:
        open_shelves(str(tmp_path), Clock(), keep=1.0)

    assert "\n" not in str(refused.value)
    assert open_descriptors() == before


def test_a_registry_of_another_version_is_begun_anew(tmp_path: Path) -> None:
    server = Server(tmp_path / "root")
    client = server.connect()
    client.says(b"UPLOAD f 9\nabc")
    client.reset()
    server.close()
    db = sqlite3.connect(tmp_path / "root" / ".filesrv" / "registry.sqlite")
    db.execute("PRAGMA user_version=999")
    db.close()

    server = Server(tmp_path / "root")
    assert server.connect().asks(b"PENDING") == ["OK lines=0"]
    assert server.held() == []
    server.close()
