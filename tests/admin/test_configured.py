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
    places = {"CONFIGURATION_DIRECTORY": str(etc), "STATE_DIRECTORY": str(tmp_path / "var")}
    for name in places:
        monkeypatch.setenv(name, "")  # So that it is restored.
        monkeypatch.delenv(name)
    monkeypatch.setattr(configured, "_OF_THE_SERVICE", places)
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
    path = written(etc, '[serving]\nroot = "$STATE_DIRECTORY/files"\n')
    assert configured.check_file(path) == ([], f"{etc.parent}/var/files")


def test_where_no_service_is_configured_nothing_is_supposed(etc: Path) -> None:
    etc.rmdir()
    path = written(etc.parent, '[serving]\nroot = "$STATE_DIRECTORY/files"\n')
    ((fault,), root) = configured.check_file(path)
    assert "$STATE_DIRECTORY, which systemd has not set" in fault
    assert root is None
