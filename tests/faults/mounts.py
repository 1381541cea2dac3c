"""File systems of the tests' own, small enough to be filled."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

__all__ = ["MIB", "ext4", "fill", "free", "tmpfs"]

MIB = 1024 * 1024


@contextmanager
def tmpfs(place: Path, size: int) -> Iterator[None]:
    """Mount one on C{place}."""
    with _mounted(place, "-t", "tmpfs", "-o", f"size={size}", "tmpfs"):
        yield


@contextmanager
def ext4(place: Path, size: int) -> Iterator[None]:
    """Mount one, in a file, on C{place}."""
    image = place.with_name(place.name + ".image")
    with image.open("wb") as file:
        file.truncate(size)
    _run("mkfs.ext4", "-q", "-m", "0", "-b", "4096", str(image))
    with _mounted(place, "-t", "ext4", "-o", "loop", str(image)):
        yield
    image.unlink()


@contextmanager
def _mounted(place: Path, *arguments: str) -> Iterator[None]:
    place.mkdir()
    _run("mount", *arguments, str(place))
    try:
        yield
    finally:
        _run("umount", "--lazy", str(place))


def _run(*command: str) -> None:
    """
    Where CI runs, all of it works; who runs tests as somebody else cannot mount.
    """
    env = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    try:
        subprocess.run(command, check=True, capture_output=True, env=env)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", b"") or str(error).encode()
        pytest.skip(f"{command[0]}: {why.decode().strip()}")


def free(place: Path) -> int:
    """Bytes that everybody may still write there."""
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def fill(place: Path, leave: int = 0) -> Path:
    """Be somebody else who needs room, all of it but so many bytes; the file that has it."""
    hog = place / "hog"
    with hog.open("ab", buffering=0) as file, suppress(OSError):
        while (room := free(place) - leave) > 0:
            file.write(bytes(min(room, MIB)))
    return hog
