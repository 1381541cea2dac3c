"""
A directory that is held open for the next file is used only while its name leads to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from filesrv.store.root import Root
from filesrv.store.walk import DEEPEST
from filesrv.wire.errors import FilesrvError, NotFound
from tests.support.memory import open_descriptors


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    (tmp_path / "root" / "a" / "b").mkdir(parents=True)
    (tmp_path / "root" / "a" / "b" / "file").write_bytes(b"old")
    made = Root(str(tmp_path / "root"), durable=False)
    assert made.status("a/b/file").size == 3
    yield made
    made.close()


def test_the_next_file_of_a_renamed_directory_is_not_found(root: Root, tmp_path: Path) -> None:
    (tmp_path / "root" / "a").rename(tmp_path / "root" / "c")
    with pytest.raises(NotFound):
        root.status("a/b/file")
    assert root.status("c/b/file").size == 3


def test_another_directory_of_the_name_is_seen(root: Root, tmp_path: Path) -> None:
    (tmp_path / "root" / "a" / "b").rename(tmp_path / "old")
    (tmp_path / "root" / "a" / "b").mkdir()
    (tmp_path / "root" / "a" / "b" / "file").write_bytes(b"another")
    assert root.status("a/b/file").size == 7


@pytest.mark.parametrize("moved", ["a", "a/b"])
def test_a_link_to_the_very_directory_is_not_followed(
    root: Root, tmp_path: Path, moved: str
) -> None:
    (tmp_path / "root" / moved).rename(tmp_path / "outside")
    (tmp_path / "root" / moved).symlink_to(tmp_path / "outside")
    with pytest.raises(FilesrvError):
        root.status("a/b/file")
    with pytest.raises(FilesrvError):
        root.check_target("a/b/new", replace=True)


def test_of_a_deep_way_few_directories_are_held_and_none_for_long(
    root: Root, tmp_path: Path
) -> None:
    deep = "/".join("d" * (3 * DEEPEST))
    (tmp_path / "root" / deep).mkdir(parents=True)
    (tmp_path / "root" / deep / "file").write_bytes(b"deep")
    for _ in range(2):
        assert root.status(f"{deep}/file").size == 4
        assert len(open_descriptors(tmp_path / "root")) <= 1 + DEEPEST
    root.rest()
    assert len(open_descriptors(tmp_path / "root")) == 1
