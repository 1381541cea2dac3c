"""docs/deployment.rst: the files that it has its readers write are in order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from filesrv.access.password_file import change_passwords
from filesrv.access.passwords import hash_password
from filesrv.access.rights import Right, parse_rights
from filesrv.service.options import check_config
from tests.support.tls import Authority

TEXT = (Path(__file__).parents[2] / "docs" / "deployment.rst").read_text()


def written(path: str) -> str:
    """What C{cat} is told to write there."""
    found = re.search(
        rf"^    # cat > {re.escape(path)} <<'END'\n(.*?)^    > END\n", TEXT, re.M | re.S
    )
    assert found is not None, path
    return re.sub("^    > ?", "", found[1], flags=re.M)


def test_its_configuration_has_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONFIGURATION_DIRECTORY", "CREDENTIALS_DIRECTORY", "STATE_DIRECTORY"):
        monkeypatch.setenv(name, str(tmp_path))
    change_passwords(str(tmp_path / "filesrv.passwd"), "ada", hash_password(b"secret"))
    pair = Authority(tmp_path / "ca").pair("files.example.org")
    pair.certificate.rename(tmp_path / "filesrv.certificate")
    pair.key.rename(tmp_path / "filesrv.key")
    (tmp_path / "rights").write_text(written("/etc/filesrv/rights"))
    config = tmp_path / "filesrv.toml"
    config.write_text(written("/etc/filesrv/filesrv.toml"))
    assert check_config(str(config)) == []


def test_its_rights_are_those_that_it_tells_of() -> None:
    rights = parse_rights(written("/etc/filesrv/rights"))
    everything = Right.READ | Right.WRITE | Right.DELETE | Right.LIST
    assert rights.at("ada", "incoming/f") == rights.at("ada", "f") == everything
    assert rights.at("bob", "f") == Right.READ | Right.LIST
    assert rights.at("bob", "incoming/f") == Right.WRITE
