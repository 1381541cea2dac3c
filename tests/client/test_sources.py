"""What is uploaded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from filesrv.client.sources import Source, find, upload_name


def names(path: Path | str, recursive: bool = True) -> dict[str, str]:
    return {found.name: found.skipped for found in find(str(path), recursive)}


def test_a_directory_is_taken_with_all_files_in_order(tmp_path: Path) -> None:
    top = tmp_path / "top"
    for name in ("b", "a", "sub/x", "sub/.hidden", "sub/deep/y"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(b"")

    assert list(names(top)) == ["top/a", "top/b", "top/sub/.hidden", "top/sub/deep/y", "top/sub/x"]
    assert list(names(f"{top}/")) == list(names(top))


def test_the_current_directory_adds_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_bytes(b"")
    monkeypatch.chdir(tmp_path)

    assert list(names(".")) == ["f"]


def test_what_is_no_file_is_left_out_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "fifo")

    found = {name.rpartition("/")[2]: why for name, why in names(tmp_path).items()}

    assert found["file"] == ""
    assert "link" in found["link"]
    assert "link" in found["loop"]
    assert found["fifo"]
    assert len(found) == 4


def test_a_link_that_the_user_named_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"content")
    (tmp_path / "link").symlink_to("real")

    source = Source(str(tmp_path / "link"))

    assert source.size == 7
    assert not source.changed()
    source.close()
    source.close()


def test_a_directory_is_no_file_and_the_message_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="-r"):
        Source(str(tmp_path))


def test_a_fifo_is_no_file_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")

    with pytest.raises(OSError, match="not a file"):
        Source(str(tmp_path / "fifo"))


@pytest.mark.parametrize("how", ["written", "touched", "replaced", "shortened"])
def test_a_change_is_noticed(tmp_path: Path, how: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"content")
    source = Source(str(path))
    if how == "written":
        with path.open("ab") as file:
            file.write(b"x")
    elif how == "touched":
        os.utime(path, ns=(1, 1))
    elif how == "shortened":
        os.truncate(path, 3)
    else:
        other = tmp_path / "other"
        other.write_bytes(b"CONTENT")
        os.utime(other, ns=(source.modified, source.modified))
        other.rename(path)

    assert source.changed()
    source.open()
    assert not source.changed()
    source.close()


@pytest.mark.parametrize(
    ("directory", "name", "expected"),
    [("", "f", "f"), ("d", "f", "d/f"), ("/d/e/", "f", "d/e/f")],
)
def test_a_directory_of_the_server_is_put_before_the_name(
    directory: str, name: str, expected: str
) -> None:
    assert upload_name(directory, name) == expected
