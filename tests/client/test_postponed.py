"""Modules that stand empty until somebody asks for something in them."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from filesrv.client.postponed import postpone

#: Nobody else has modules of these names.
HOMES = {"WIDGET": "postponed_package.part", "GONE": "postponed_package.none"}


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    (tmp_path / "postponed_plain.py").write_text("import postponed_package\nVALUE = 1\n")
    (tmp_path / "postponed_broken.py").write_text("raise ImportError('broken')\n")
    package = tmp_path / "postponed_package"
    package.mkdir()
    (package / "__init__.py").write_text("from postponed_package import heavy\nGONE = 2\n")
    (package / "part.py").write_text("from . import other\nWIDGET = object()\n")
    (package / "other.py").write_text("")
    (package / "heavy.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    postpone({"postponed_plain": {}, "postponed_broken": {}, "postponed_package": HOMES})
    yield
    for name in [name for name in sys.modules if name.startswith("postponed_p")]:
        del sys.modules[name]


def test_it_is_executed_when_it_is_asked_for_something() -> None:
    plain = importlib.import_module("postponed_plain")
    assert "VALUE" not in vars(plain)
    assert "postponed_package" not in sys.modules

    assert plain.VALUE == 1

    assert "postponed_package" in sys.modules
    assert plain is sys.modules["postponed_plain"]
    assert plain is importlib.reload(plain)


def test_what_it_does_not_have_it_has_not() -> None:
    plain = importlib.import_module("postponed_plain")

    with pytest.raises(AttributeError, match="postponed_plain"):
        _ = plain.other

    with pytest.raises(AttributeError, match="postponed_plain"):
        _ = plain.other


def test_why_it_cannot_be_executed_is_said_when_it_is() -> None:
    broken = importlib.import_module("postponed_broken")

    with pytest.raises(ImportError, match="broken"):
        _ = broken.anything


def test_a_name_with_a_home_is_there_without_the_rest_of_the_package() -> None:
    package = importlib.import_module("postponed_package")

    widget = package.WIDGET

    assert widget is sys.modules["postponed_package.part"].WIDGET
    assert "postponed_package.other" in sys.modules
    assert "postponed_package.heavy" not in sys.modules


def test_a_name_that_has_left_its_home_is_asked_of_the_package() -> None:
    package = importlib.import_module("postponed_package")

    assert package.GONE == 2

    assert "postponed_package.heavy" in sys.modules


def test_a_part_that_is_imported_before_its_package_leaves_that_whole() -> None:
    program = (
        "from filesrv.client.postponed import postpone; postpone({'asyncio': {}}); "
        "import asyncio.events; print(callable(asyncio.run), callable(asyncio.Future))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )

    assert done.stdout == "True True\n", done.stderr
