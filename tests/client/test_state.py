"""What the client keeps between its runs."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest

from filesrv.client.journal import Fingerprint, Journal
from filesrv.client.state import State, write_whole


def test_the_token_is_the_same_from_run_to_run(tmp_path: Path) -> None:
    environment = {"XDG_STATE_HOME": str(tmp_path)}

    first, second = State(environment).token(), State(environment).token()

    assert first == second
    assert re.fullmatch(r"[A-Za-z0-9_-]{16,64}", first)


def test_the_token_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        State({"XDG_STATE_HOME": str(tmp_path)}).token()
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "filesrv/token").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "filesrv").stat().st_mode) == 0o700
    assert os.listdir(tmp_path / "filesrv") == ["token"]


def test_two_users_are_two_clients(tmp_path: Path) -> None:
    one, other = ({"XDG_STATE_HOME": str(tmp_path / name)} for name in ("one", "other"))

    assert State(one).token() != State(other).token()


@pytest.mark.parametrize("content", ["", "short", "x" * 65, "not a token at all!", "ä" * 20])
def test_a_token_that_is_none_is_made_anew(tmp_path: Path, content: str) -> None:
    state = State({"XDG_STATE_HOME": str(tmp_path)})
    (state.directory() / "token").write_text(content)

    token = state.token()

    assert re.fullmatch(r"[A-Za-z0-9_-]{16,64}", token)
    assert state.token() == token


def test_a_second_first_run_takes_the_token_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State({"XDG_STATE_HOME": str(tmp_path)})
    real, others = os.link, "o" * 32

    def link(source: Path, target: Path) -> None:
        target.write_text(others)
        real(source, target)

    monkeypatch.setattr(os, "link", link)

    assert state.token() == others


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"XDG_STATE_HOME": "/s", "HOME": "/h"}, "/s/filesrv"),
        ({"HOME": "/h"}, "/h/.local/state/filesrv"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/filesrv"),
        ({"XDG_STATE_HOME": "", "HOME": "/h"}, "/h/.local/state/filesrv"),
    ],
)
def test_the_state_directory_is_where_the_specification_has_it(
    environment: dict[str, str], expected: str
) -> None:
    assert State(environment).path == Path(expected)


def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f"
    path.write_text("old")

    def no_replace(*more: object, **others: object) -> None:
        raise OSError(28, "full")

    monkeypatch.setattr(os, "replace", no_replace)
    with pytest.raises(OSError, match="full"):
        write_whole(str(path), b"new", fresh=str(tmp_path / "f~"))

    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["f"]


class TestJournal:
    MADE = Fingerprint(10, 20, 25, 30)

    def test_what_an_upload_was_begun_from_is_known_again(self, tmp_path: Path) -> None:
        Journal(tmp_path, "here:1").began("d/f", self.MADE)

        assert Journal(tmp_path, "here:1").known("d/f") == self.MADE

    def test_other_servers_and_other_names_have_nothing_to_do_with_it(self, tmp_path: Path) -> None:
        Journal(tmp_path, "here:1").began("d/f", self.MADE)

        assert Journal(tmp_path, "there:1").known("d/f") is None
        assert Journal(tmp_path, "here:1").known("d/g") is None

    def test_digests_of_what_was_sent_are_kept_and_cut_where_it_is_sent_again(
        self, tmp_path: Path
    ) -> None:
        journal = Journal(tmp_path, "here:1")

        journal.keep_digests("f", 0, b"aabb")
        journal.keep_digests("f", 4, b"cc")
        assert journal.digests("f") == b"aabbcc"
        journal.keep_digests("f", 2, b"x")

        assert journal.digests("f") == b"aax"
        assert journal.digests("g") == b""

    def test_what_is_finished_is_forgotten(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path, "here:1")
        journal.began("f", self.MADE)
        journal.keep_digests("f", 0, b"aa")

        journal.finished("f")
        journal.finished("f")

        assert journal.known("f") is None
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"size": 1}', "null"])
    def test_an_entry_that_cannot_be_read_claims_nothing(
        self, tmp_path: Path, content: str
    ) -> None:
        journal = Journal(tmp_path, "here:1")
        journal.began("f", self.MADE)
        next(tmp_path.iterdir()).write_text(content)

        assert journal.known("f") is None
