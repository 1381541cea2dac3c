"""What a process leaves that is killed within a write."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

__all__ = ["killed_within"]


class _Killed(BaseException):
    """What a process that is killed does not live to see."""


def killed_within(
    write: Callable[[bytes], None], place: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Have half of it written to the file there, and the process be no more."""
    real = os.pwrite

    def pwrite(descriptor: int, given: Any, offset: int) -> int:
        if not os.path.samestat(os.fstat(descriptor), os.stat(place)):
            return real(descriptor, given, offset)
        real(descriptor, given[: len(given) // 2], offset)
        raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", pwrite)
        with pytest.raises(_Killed):
            write(data)
