"""What a daemon leaves that is killed within a write."""

from __future__ import annotations

import os
from typing import Any

import pytest

from filesrv.store.partials import Partial

__all__ = ["killed_within"]


class _Killed(BaseException):
    """What a process that is killed does not live to see."""


def killed_within(partial: Partial, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write half of it, and be no more."""
    real = os.pwrite

    def pwrite(descriptor: int, given: Any, offset: int) -> int:
        if descriptor != partial.descriptor:
            return real(descriptor, given, offset)
        real(descriptor, given[: len(given) // 2], offset)
        raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", pwrite)
        with pytest.raises(_Killed):
            partial.write(data)
    partial.close()
