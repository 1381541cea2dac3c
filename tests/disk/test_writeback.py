"""What is on its way to the disk while bytes arrive."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from filesrv.disk import writeback
from filesrv.disk.writeback import EVERY, IN_FLIGHT, WriteBack

BEGIN, FINISH = 2, 7


class Kernel:
    """Remembers what it is asked, and refuses it all if it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int, int]] = []

    def __call__(self, descriptor: int, offset: int, length: int, flags: int) -> int:
        assert descriptor == 7
        self.asked.append((offset, length, flags))
        return -1


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(writeback, "_SYNC_FILE_RANGE", made)
    return made


def test_every_two_mib_the_disk_begins_to_write_them(kernel: Kernel) -> None:
    growing = WriteBack(7, 0, wait=True)
    for size in (1, EVERY - 1, EVERY, EVERY + 1, 2 * EVERY + 5):
        growing.grown(size)

    assert kernel.asked == [(0, EVERY, BEGIN), (EVERY, EVERY + 5, BEGIN)]


def test_no_more_than_eight_mib_are_ever_on_their_way(kernel: Kernel) -> None:
    growing = WriteBack(7, 100, wait=True)
    for count in range(1, 8):
        growing.grown(100 + count * EVERY)

    finished = [(offset, length) for offset, length, flags in kernel.asked if flags == FINISH]
    most = IN_FLIGHT // EVERY
    assert finished == [(100 + index * EVERY, EVERY) for index in range(7 - most)]


def test_nobody_waits_where_nothing_is_flushed_in_the_end(kernel: Kernel) -> None:
    growing = WriteBack(7, 0, wait=False)
    for count in range(1, 20):
        growing.grown(count * EVERY)

    assert {flags for _, _, flags in kernel.asked} == {BEGIN}


def test_what_was_cut_off_is_not_asked_for(kernel: Kernel) -> None:
    growing = WriteBack(7, 0, wait=True)
    growing.grown(3 * EVERY)
    growing.truncated(10)
    kernel.asked.clear()
    growing.grown(10 + EVERY)

    assert kernel.asked == [(10, EVERY, BEGIN)]


@pytest.mark.parametrize("there", [True, False])
def test_it_is_asked_of_the_real_kernel_and_changes_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    if not there:  # as with a C library that does not have the call
        monkeypatch.setattr(writeback, "_SYNC_FILE_RANGE", None)
    content = os.urandom(6 * EVERY)
    with (tmp_path / "f").open("w+b", buffering=0) as file:
        growing = WriteBack(file.fileno(), 0, wait=True)
        for size in range(EVERY, len(content) + 1, EVERY):
            file.write(content[size - EVERY : size])
            growing.grown(size)

    assert (tmp_path / "f").read_bytes() == content
