"""From a server's name to a place here, and nowhere else."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path

import pytest

from filesrv.client.places import Place, PlacesBelow, place_at
from filesrv.wire.errors import BadName
from tests.support.flipping import flipping


def place_below(directory: str, parts: tuple[str, ...]) -> Place:
    with closing(PlacesBelow(directory)) as below:
        return below.place(parts)


def write(directory: str, *parts: str) -> None:
    place = place_below(directory, parts)
    descriptor = os.open(place.leaf, os.O_WRONLY | os.O_CREAT, dir_fd=place.directory)
    os.write(descriptor, b"x")
    os.close(descriptor)
    place.close()
    place.close()


def test_directories_are_made_as_the_name_has_them(tmp_path: Path) -> None:
    write(str(tmp_path / "out"), "a", "b", "c")

    assert (tmp_path / "out/a/b/c").read_bytes() == b"x"


@pytest.mark.parametrize(
    "parts", [("..", "x"), ("a", "..", "x"), ("",), ("a", "", "b"), (".",), ("a/../../b",)]
)
def test_no_name_climbs_out(tmp_path: Path, parts: tuple[str, ...]) -> None:
    with pytest.raises(BadName):
        place_below(str(tmp_path), parts)


def test_no_link_leads_out(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/link").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="symbolic"):
        place_below(str(tmp_path / "out"), ("link", "x"))
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_the_directory_that_the_user_named_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    write(str(tmp_path / "link"), "a", "x")

    assert (tmp_path / "real/a/x").exists()


def test_the_current_directory_needs_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    write("", "x")

    assert (tmp_path / "x").exists()
    assert place_at("x").shown == "x"


def test_a_place_that_cannot_be_leaves_no_descriptor_open(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    before = len(os.listdir("/proc/self/fd"))

    with pytest.raises(OSError, match="directory"):
        place_below(str(tmp_path), ("file", "x"))

    assert len(os.listdir("/proc/self/fd")) == before


def test_a_link_that_comes_and_goes_leads_nothing_out(tmp_path: Path) -> None:
    target, outside = tmp_path / "target", tmp_path / "outside"
    (target / "d" / "e").mkdir(parents=True)
    (outside / "e").mkdir(parents=True)
    os.symlink("../outside", target / "other")
    inside = refused = 0
    ends = time.monotonic() + 1.0
    with flipping((target / "d", target / "other")):
        while time.monotonic() < ends:
            try:
                place = place_below(str(target), ("d", "e", f"f{inside}"))
            except OSError:
                refused += 1
                continue
            os.close(os.open(place.leaf, os.O_CREAT | os.O_WRONLY, dir_fd=place.directory))
            place.close()
            inside += 1

    assert inside > 10
    assert refused > 10
    assert [each.name for each in outside.rglob("*")] == ["e"]


def test_a_directory_that_was_replaced_meanwhile_is_not_written_to(tmp_path: Path) -> None:
    with closing(PlacesBelow(str(tmp_path))) as below:
        below.place(("d", "e", "x")).close()
        (tmp_path / "d").rename(tmp_path / "moved")
        place = below.place(("d", "e", "y"))

        found = os.fstat(place.directory)
        place.close()
    assert os.path.samestat(found, os.stat(tmp_path / "d/e"))


def test_a_link_in_the_place_of_a_directory_that_is_held_open_is_not_followed(
    tmp_path: Path,
) -> None:
    with closing(PlacesBelow(str(tmp_path))) as below:
        below.place(("d", "e", "x")).close()
        (tmp_path / "d").rename(tmp_path / "moved")
        (tmp_path / "d").symlink_to("moved")

        with pytest.raises(OSError, match="symbolic"):
            below.place(("d", "e", "y"))


def test_a_way_however_long_is_held_open_by_a_few_descriptors_only(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with closing(PlacesBelow(str(tmp_path))) as below:
        for leaf in ("x", "y"):
            below.place((*"abcdefghijklmnop", leaf)).close()

        assert len(os.listdir("/proc/self/fd")) <= before + 8
    assert len(os.listdir("/proc/self/fd")) == before
