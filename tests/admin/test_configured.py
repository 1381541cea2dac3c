"""What filesrv-admin check makes of directories that systemd names for the service."""

from __future__ import annotations

from pathlib import Path

import pytest

from filesrv.admin import configured


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of configuration, which systemd has not named in this environment."""
    etc = tmp_path / "etc"
    etc.mkdir()
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", "")  # So that it is restored.
    monkeypatch.delenv("CONFIGURATION_DIRECTORY")
    monkeypatch.setattr(configured, "_OF_THE_SERVICE", {"CONFIGURATION_DIRECTORY": str(etc)})
    return etc


def written(etc: Path, text: str) -> str:
    (etc / "filesrv.toml").write_text(text)
    return str(etc / "filesrv.toml")


def test_in_a_shell_they_are_where_the_service_has_them(etc: Path) -> None:
    path = written(etc, '[access]\nrights = "$CONFIGURATION_DIRECTORY/rights"\n')
    ((fault,), _) = configured.check_file(path)
    assert f"{etc}/rights" in fault
    (etc / "rights").write_text("[/]\n* = read\n")
    assert configured.check_file(path) == ([], None)


def test_what_systemd_names_comes_first(
    etc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path / "named"))
    path = written(etc, '[access]\nrights = "$CONFIGURATION_DIRECTORY/rights"\n')
    (etc / "rights").write_text("[/]\n* = read\n")
    ((fault,), _) = configured.check_file(path)
    assert f"{tmp_path}/named/rights" in fault


def test_a_root_in_one_of_them_is_where_it_leads(etc: Path) -> None:
    path = written(etc, '[serving]\nroot = "$CONFIGURATION_DIRECTORY/files"\n')
    assert configured.check_file(path) == ([], f"{etc}/files")
