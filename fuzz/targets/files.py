"""What an administrator writes, or somebody who can: configuration, rights and passwords."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from filesrv.access.password_file import WrongPasswordFile, read_passwords
from filesrv.access.rights import Right, WrongRights, read_rights
from filesrv.service.options import GROUPS
from filesrv.service.options.config import read_config
from fuzz.scene import HOME

__all__ = ["check"]


def check(data: bytes) -> None:
    """
    Read C{data} as each of these files.

    @raise AssertionError: a fault is told in more than a line, or rights come from nowhere.
    """
    with tempfile.NamedTemporaryFile(dir=HOME) as file:
        file.write(data)
        file.flush()
        config = read_config(file.name, GROUPS)
        for fault in config.faults:
            assert fault.startswith(f"{file.name}:")
            assert len(fault.splitlines()) == 1, fault
        _read(read_passwords, file.name, WrongPasswordFile)
        rights = _read(read_rights, file.name, WrongRights)
        if rights is not None and "nobody" not in Path(file.name).read_text("utf-8"):
            with suppress(KeyError):
                assert rights.at("nobody", "a/b") in (Right.NONE, *_all(rights))


def _read(read: Callable[[str], Any], path: str, refusal: type[Exception]) -> Any:
    try:
        return read(path)
    except refusal as error:
        said = str(error)
    assert len(said.splitlines()) == 1, said
    return None


def _all(rights: Any) -> list[Right]:
    """Every right that is given to everybody somewhere, with or without passing through."""
    given = [lines["*"] for lines in rights.lines.values() if "*" in lines]
    return [*given, *(each | Right.PASS for each in [Right.NONE, *given])]
