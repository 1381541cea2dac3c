"""What is found about roots."""

from __future__ import annotations

from pathlib import Path

import pytest

from filesrv.admin.check import Finding, check_root
from tests.support.memory import Server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One that a daemon has served."""
    server = Server(tmp_path / "root")
    server.put("f", b"hello")
    server.close()
    return tmp_path / "root"


def wrong(found: list[Finding]) -> list[str]:
    return [finding.words for finding in found if finding.wrong]


def test_a_root_that_was_served_is_in_order(root: Path) -> None:
    found = list(check_root(str(root)))
    assert wrong(found) == []
    assert "a daemon serves it" not in [finding.words for finding in found]


def test_a_root_that_is_yet_to_be_made_is_no_fault(tmp_path: Path) -> None:
    assert wrong(list(check_root(str(tmp_path / "new")))) == []
    assert wrong(list(check_root(str(tmp_path / "no" / "where")))) != []


def test_a_file_is_no_root(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert wrong(list(check_root(str(tmp_path / "file")))) == [f"{tmp_path}/file is no directory"]


def test_a_damaged_registry_is_found(root: Path) -> None:
    registry = root / ".filesrv" / "registry.sqlite"
    registry.write_bytes(b"SQLite format 3\0" + b"\xff" * 4096)
    (found,) = wrong(list(check_root(str(root))))
    assert found.startswith(f"{registry} is damaged: ")


def test_a_state_directory_that_others_may_look_into_is_found(root: Path) -> None:
    (root / ".filesrv").chmod(0o755)
    (found,) = wrong(list(check_root(str(root))))
    assert "may be looked into by others" in found


def test_a_daemon_that_runs_is_told(root: Path) -> None:
    server = Server(root)
    try:
        words = [finding.words for finding in check_root(str(root))]
    finally:
        server.close()
    assert "a daemon serves it" in words
