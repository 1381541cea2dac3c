"""From names to places, and nowhere else."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filesrv.store.root import Root
from filesrv.wire.errors import BadName, Exists, FilesrvError, NotFound
from tests.support.memory import open_descriptors

BAD_NAMES = ["", "/", "/f", "..", "../f", "d/../f", ".", "d/./f", "a//b", ".filesrv", ".filesrv/x"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    made.mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"secret")
    return made


@pytest.fixture
def root(place: Path) -> Iterator[Root]:
    made = Root(str(place), durable=False)
    before = open_descriptors(place)
    yield made
    made.rest()
    assert open_descriptors(place) == before, "a descriptor was left open"
    made.close()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A directory from which files are published."""
    made = tmp_path / "elsewhere"
    made.mkdir()
    descriptor = os.open(made, os.O_RDONLY)
    yield descriptor, made
    os.close(descriptor)


def content(root: Root, name: str) -> bytes:
    with root.open(name) as file:
        return os.pread(file.descriptor, 1000, 0)


class TestReading:
    def test_a_file_is_opened_with_its_status(self, root: Root, place: Path) -> None:
        (place / "d").mkdir()
        (place / "d" / "f").write_bytes(b"hello")

        with root.open("d/f") as file:
            assert os.pread(file.descriptor, 9, 0) == b"hello"
            assert file.status == root.status("d/f")
            assert file.status.size == 5
            assert file.status.modified == (place / "d" / "f").stat().st_mtime_ns
            assert file.unchanged()

    def test_a_file_that_is_written_into_is_seen_to_have_changed(
        self, root: Root, place: Path
    ) -> None:
        (place / "f").write_bytes(b"hello")
        with root.open("f") as file:
            (place / "f").open("ab").write(b"!")
            assert not file.unchanged()

    def test_a_file_written_into_without_another_size_or_second_has_another_version(
        self, root: Root, place: Path
    ) -> None:
        (place / "f").write_bytes(b"hello")
        os.utime(place / "f", ns=(1, 1))
        before = root.status("f")
        (place / "f").write_bytes(b"HELLO")
        os.utime(place / "f", ns=(1, 1))

        assert root.status("f").version != before.version

    @pytest.mark.parametrize("name", BAD_NAMES)
    def test_no_operation_takes_a_bad_name(self, root: Root, place: Path, name: str) -> None:
        (place / "f").write_bytes(b"")
        operations: list[Any] = [
            lambda: root.open(name),
            lambda: root.status(name),
            lambda: root.delete(name),
            lambda: root.rename(name, "g"),
            lambda: root.rename("f", name),
            lambda: root.check_target(name, replace=True),
            lambda: root.check_present(name),
            lambda: root.publish(0, "x", name, replace=True),
        ]
        for operation in operations:
            with pytest.raises(BadName):
                operation()
        assert (place / "f").exists()

    @pytest.mark.parametrize("name", ["none", "none/f", "d", "f/g", "fifo", "socket", "link"])
    def test_what_is_no_file_is_not_found_and_is_not_waited_for(
        self, root: Root, place: Path, name: str
    ) -> None:
        (place / "d").mkdir()
        (place / "f").write_bytes(b"")
        (place / "link").symlink_to("f")
        os.mkfifo(place / "fifo")
        with socket.socket(socket.AF_UNIX) as sock:
            descriptor = os.open(place, os.O_RDONLY)
            sock.bind(f"/proc/self/fd/{descriptor}/socket")  # a path may be too long
            os.close(descriptor)

        for operation in (root.open, root.status):
            with pytest.raises(NotFound) as refused:
                operation(name)
            assert name in refused.value.words
            assert str(place) not in refused.value.words

    @pytest.mark.parametrize("target", ["../outside", "/etc", ".", "d"])
    def test_a_link_is_never_followed_wherever_it_leads(
        self, root: Root, place: Path, target: str
    ) -> None:
        (place / "d").mkdir()
        (place / "d" / "secret").write_bytes(b"")
        (place / "link").symlink_to(target)

        for operation in (root.open, root.status, root.delete):
            with pytest.raises(NotFound):
                operation("link/secret")
        with pytest.raises(NotFound):
            list(root.list("link"))
        with pytest.raises(Exists):
            root.check_target("link/new", replace=True)
        assert (place / "d" / "secret").exists()

    @pytest.mark.parametrize("swapped", ["a", "a/b", "a/b/c"])
    def test_a_directory_swapped_for_a_link_in_the_middle_of_the_walk_leads_nowhere(
        self, root: Root, place: Path, monkeypatch: pytest.MonkeyPatch, swapped: str
    ) -> None:
        (place / "a" / "b" / "c").mkdir(parents=True)
        (place / "a" / "b" / "c" / "secret").write_bytes(b"mine")
        real = os.open

        def swap(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
            if path == Path(swapped).name:
                (place / swapped).rename(place / "away")
                (place / swapped).symlink_to(place.parent / "outside")
            return real(path, flags, *args, **kwargs)

        monkeypatch.setattr(os, "open", swap)
        with pytest.raises(NotFound):
            root.open("a/b/c/secret")


class TestListing:
    def names(self, root: Root, directory: str = "") -> list[str]:
        return sorted(entry.name for entry in root.list(directory))

    def test_what_no_name_reaches_is_not_listed(self, root: Root, place: Path) -> None:
        (place / ".filesrv").mkdir()
        (place / "link").symlink_to("f")
        (place / "dangling").symlink_to("nowhere")
        os.mkfifo(place / "fifo")
        Path(os.fsdecode(os.fsencode(place) + b"/\xff\xfe")).write_bytes(b"")
        (place / "escape\x1b[2J").write_bytes(b"")
        (place / "line\nbreak").write_bytes(b"")
        (place / "f").write_bytes(b"")
        (place / ".hidden").write_bytes(b"")
        (place / "d").mkdir()

        assert self.names(root) == [".hidden", "d/", "f"]

    def test_names_are_whole_and_a_slash_at_the_end_does_not_matter(
        self, root: Root, place: Path
    ) -> None:
        (place / "d" / "e" / "f").mkdir(parents=True)
        (place / "d" / "e" / ".filesrv").write_bytes(b"")

        assert self.names(root, "d/e") == ["d/e/.filesrv", "d/e/f/"]
        assert self.names(root, "d/e/") == ["d/e/.filesrv", "d/e/f/"]

    def test_a_name_that_is_too_long_as_a_whole_is_not_listed(
        self, root: Root, place: Path
    ) -> None:
        deep = place
        for _ in range(5):
            deep = deep / ("d" * 200)
        deep.mkdir(parents=True)
        (deep / ("f" * 100)).write_bytes(b"")
        (deep / "f").write_bytes(b"")
        directory = "/".join(["d" * 200] * 5)

        assert self.names(root, directory) == [f"{directory}/f"]

    def test_a_file_that_goes_while_it_is_listed_is_left_out(self, root: Root, place: Path) -> None:
        for number in range(10):
            (place / f"f{number}").write_bytes(b"")
        listing = root.list("")
        first = next(listing)
        for file in list(place.iterdir()):
            if file.name != first.name:
                file.unlink()

        assert list(listing) == []

    def test_a_listing_that_is_given_up_leaves_nothing_open(self, root: Root, place: Path) -> None:
        (place / "f").write_bytes(b"")
        (place / "g").write_bytes(b"")
        listing = root.list("")
        next(listing)
        listing.close()  # type: ignore[attr-defined]


class TestChanging:
    def test_files_and_empty_directories_are_deleted_and_links_themselves(
        self, root: Root, place: Path, tmp_path: Path
    ) -> None:
        (place / "d").mkdir()
        (place / "d" / "f").write_bytes(b"")
        (place / "link").symlink_to("../outside")
        with pytest.raises(Exists):
            root.delete("d")
        root.delete("d/f")
        root.delete("d/")
        root.delete("link")

        assert list(place.iterdir()) == []
        assert (tmp_path / "outside" / "secret").read_bytes() == b"secret"

    def test_renaming_makes_the_directories_that_are_needed(self, root: Root, place: Path) -> None:
        (place / "f").write_bytes(b"1")
        root.rename("f", "a/b/c")
        root.rename("a/b/", "z")

        assert content(root, "z/c") == b"1"
        assert list((place / "a").iterdir()) == []

    @pytest.mark.parametrize("new", ["full", "empty", "f/x"])
    @pytest.mark.parametrize("old", ["d", "g"])
    def test_renaming_replaces_no_directory_and_leads_through_no_file(
        self, root: Root, place: Path, old: str, new: str
    ) -> None:
        (place / "d").mkdir()
        (place / "full").mkdir()
        (place / "full" / "x").write_bytes(b"")
        (place / "empty").mkdir()
        (place / "f").write_bytes(b"")
        (place / "g").write_bytes(b"")
        with pytest.raises(Exists) as refused:
            root.rename(old, new)

        assert (place / old).exists()
        assert str(place) not in refused.value.words

    def test_a_directory_cannot_become_its_own_parent(self, root: Root, place: Path) -> None:
        (place / "d" / "e").mkdir(parents=True)
        with pytest.raises(BadName):
            root.rename("d", "d/e/f")


class TestPublishing:
    def _made(self, elsewhere: tuple[int, Path], data: bytes) -> int:
        (elsewhere[1] / "x").write_bytes(data)
        return elsewhere[0]

    def test_a_file_appears_under_its_name_with_the_directories_it_needs(
        self, root: Root, elsewhere: tuple[int, Path]
    ) -> None:
        root.publish(self._made(elsewhere, b"new"), "x", "a/b/f", replace=False)

        assert content(root, "a/b/f") == b"new"
        assert list(elsewhere[1].iterdir()) == []

    def test_a_file_of_the_name_makes_way_only_if_it_may(
        self, root: Root, place: Path, elsewhere: tuple[int, Path]
    ) -> None:
        (place / "f").write_bytes(b"old")
        with pytest.raises(Exists):
            root.publish(self._made(elsewhere, b"new"), "x", "f", replace=False)
        assert content(root, "f") == b"old"
        assert (elsewhere[1] / "x").read_bytes() == b"new"

        root.publish(elsewhere[0], "x", "f", replace=True)
        assert content(root, "f") == b"new"

    def test_a_link_is_replaced_or_in_the_way_but_never_followed(
        self, root: Root, place: Path, tmp_path: Path, elsewhere: tuple[int, Path]
    ) -> None:
        (place / "f").symlink_to("../outside/secret")
        with pytest.raises(Exists):
            root.publish(self._made(elsewhere, b"new"), "x", "f", replace=False)
        root.publish(elsewhere[0], "x", "f", replace=True)

        assert content(root, "f") == b"new"
        assert (tmp_path / "outside" / "secret").read_bytes() == b"secret"

    @pytest.mark.parametrize("replace", [True, False])
    def test_a_directory_of_the_name_never_makes_way(
        self, root: Root, place: Path, elsewhere: tuple[int, Path], replace: bool
    ) -> None:
        (place / "f").mkdir()
        with pytest.raises(Exists):
            root.publish(self._made(elsewhere, b"new"), "x", "f", replace)
        assert (place / "f").is_dir()
        assert (elsewhere[1] / "x").exists()

    def test_a_parent_that_vanishes_in_between_is_made_again(
        self,
        root: Root,
        place: Path,
        elsewhere: tuple[int, Path],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        real = os.rename
        vanished: list[int] = []

        def rename(*args: Any, **kwargs: Any) -> None:
            if len(vanished) < 5:
                (place / "a" / "b").rmdir()
                (place / "a").rmdir()
                vanished.append(1)
            real(*args, **kwargs)

        monkeypatch.setattr(os, "rename", rename)
        root.publish(self._made(elsewhere, b"new"), "x", "a/b/f", replace=True)

        assert content(root, "a/b/f") == b"new"

    def test_whoever_removes_it_for_ever_is_answered_in_the_end(
        self,
        root: Root,
        place: Path,
        elsewhere: tuple[int, Path],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        real = os.rename

        def rename(*args: Any, **kwargs: Any) -> None:
            (place / "a").rmdir()
            real(*args, **kwargs)

        monkeypatch.setattr(os, "rename", rename)
        with pytest.raises(NotFound):
            root.publish(self._made(elsewhere, b"new"), "x", "a/f", replace=True)
        assert (elsewhere[1] / "x").read_bytes() == b"new"

    def test_a_parent_that_somebody_else_makes_meanwhile_is_used(
        self, root: Root, elsewhere: tuple[int, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = os.mkdir

        def mkdir(*args: Any, **kwargs: Any) -> None:
            real(*args, **kwargs)
            real(*args, **kwargs)

        monkeypatch.setattr(os, "mkdir", mkdir)
        root.publish(self._made(elsewhere, b"new"), "x", "a/b/f", replace=False)

        assert content(root, "a/b/f") == b"new"

    def test_what_would_be_refused_in_the_end_is_refused_early(
        self, root: Root, place: Path
    ) -> None:
        (place / "d").mkdir()
        (place / "f").write_bytes(b"")
        for name, replace in (("d", True), ("f/g", True), ("f", False)):
            with pytest.raises(Exists):
                root.check_target(name, replace)
        for name, replace in (("f", True), ("new", False), ("new/g", False), ("d/g", False)):
            root.check_target(name, replace)

    def test_a_durable_root_flushes_every_directory_it_changes(
        self, place: Path, elsewhere: tuple[int, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        flushed: list[str] = []
        monkeypatch.setattr(
            os, "fsync", lambda fd: flushed.append(os.readlink(f"/proc/self/fd/{fd}"))
        )
        root = Root(str(place), durable=True)
        root.publish(self._made(elsewhere, b"new"), "x", "a/b/f", replace=True)
        assert {str(place), str(place / "a"), str(place / "a" / "b")} <= set(flushed)
        flushed.clear()
        root.rename("a/b/f", "g")
        assert set(flushed) == {str(place), str(place / "a" / "b")}
        flushed.clear()
        root.delete("g")
        assert flushed == [str(place)]
        root.close()


@given(st.text(max_size=40) | st.from_regex(r"(\.\.|\.|a|/){1,6}", fullmatch=True))
@settings(max_examples=150, derandomize=True)
def test_whatever_name_is_given_nothing_outside_is_touched_or_told(name: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "root").mkdir()
        (place / "root" / "f").write_bytes(b"")
        (place / "keep").write_bytes(b"keep")
        root = Root(str(place / "root"), durable=False)
        told = []
        for operation in (root.status, root.delete, lambda n: root.rename("f", n)):
            try:
                operation(name)
            except FilesrvError as error:
                told.append(error.words)
        root.close()

        assert not any(scratch in words for words in told)
        assert (place / "keep").read_bytes() == b"keep"
        assert {p.name for p in place.iterdir()} == {"keep", "root"}
