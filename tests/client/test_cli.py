"""Words of a command line, and what is wrong with some."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from filesrv.client import cli
from filesrv.client.address import ServerAddress
from filesrv.client.console import Console
from filesrv.client.outcomes import INTERRUPTED, USAGE
from filesrv.client.settings import Settings
from filesrv.client.verbs import VERBS, Job


class Parsed:
    """What a line was understood as; no reactor runs."""

    def __init__(self) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.settings: Settings | None = None
        self.raises: BaseException | None = None

    def perform(self, parsed: tuple[Job, Settings], *more: Any) -> int:
        if self.raises is not None:
            raise self.raises
        _, self.settings = parsed
        return 0

    def line(self, *words: str) -> int:
        return cli.main(words, stdin=io.StringIO(), stdout=self.out, stderr=self.err)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Parsed:
    parsed = Parsed()
    monkeypatch.setattr(cli, "_perform", parsed.perform)
    monkeypatch.delenv("FILESRV_SERVER", raising=False)
    return parsed


@pytest.mark.parametrize(
    "words",
    [
        ("--server", "h:1", "list"),
        ("list", "--server", "h:1"),
        ("--server", "other", "list", "--server=h:1"),
    ],
)
def test_options_of_the_command_stand_before_or_behind_the_verb(
    parsed: Parsed, words: tuple[str, ...]
) -> None:
    assert parsed.line(*words) == 0
    assert parsed.settings is not None
    assert parsed.settings.server == ServerAddress("h", 1)


def test_the_environment_stands_in_for_the_server(
    parsed: Parsed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILESRV_SERVER", "from-there")

    assert parsed.line("list") == 0
    assert parsed.settings is not None
    assert parsed.settings.server == ServerAddress("from-there")
    assert parsed.line("list", "--server", "h") == 0
    assert parsed.settings.server == ServerAddress("h")


def test_every_setting_arrives(parsed: Parsed) -> None:
    parsed.line(
        "--patience=30",
        "--on-trouble=retry",
        "--dead-after=10",
        "--stall-timeout=60",
        "--limit-rate=500k",
        "--no-token",
        "--no-verify",
        "--quiet",
        "--json",
        "list",
    )

    assert parsed.settings == Settings(
        server=None,
        use_token=False,
        verify=False,
        patience=30,
        on_trouble="retry",
        dead_after=10,
        stall_timeout=60,
        limit_rate=500_000,
        quiet=True,
        as_json=True,
    )


def test_without_options_the_defaults_are_those_of_the_documentation(parsed: Parsed) -> None:
    parsed.line("list")

    assert parsed.settings == Settings()
    assert (Settings().patience, Settings().dead_after, Settings().stall_timeout) == (90, 30, 300)
    assert (Settings().on_trouble, Settings().use_token, Settings().verify) == ("ask", True, True)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("nonsense",),
        ("list", "--nonsense"),
        ("upload",),
        ("download",),
        ("rename", "one"),
        ("upload", "a", "b", "--as", "c"),
        ("upload", "a", "--as", "c", "--into", "d"),
        ("upload", "a", "--as", "d/"),
        ("download", "f", "-o", ""),
        ("upload", "-"),
        ("upload", "-", "a", "--as", "c"),
        ("hash", "f", "--algorithm", "md5"),
        ("--server", "h:x", "list"),
        ("--patience", "29", "list"),
        ("--patience", "301", "list"),
        ("--dead-after", "9", "list"),
        ("--stall-timeout", "0", "list"),
        ("--on-trouble", "panic", "list"),
        ("--limit-rate", "fast", "list"),
    ],
)
def test_wrong_usage_is_one_line_on_stderr_and_status_2(
    parsed: Parsed, words: tuple[str, ...]
) -> None:
    assert parsed.line(*words) == USAGE
    assert parsed.err.getvalue().startswith("filesrv: ")
    assert parsed.err.getvalue().count("\n") == 1
    assert parsed.out.getvalue() == ""


def test_a_line_without_a_server_says_how_to_name_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("FILESRV_SERVER", raising=False)
    err = io.StringIO()

    assert cli.main(["list"], stderr=err, environment={}) == USAGE
    assert "--server HOST" in err.getvalue()


def test_ctrl_c_before_the_reactor_runs_is_an_interruption_too(parsed: Parsed) -> None:
    parsed.raises = KeyboardInterrupt()

    assert parsed.line("list") == INTERRUPTED


@pytest.mark.parametrize("verb", [verb.name for verb in VERBS])
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([verb, "--help"]) == 0
    assert "Usage: filesrv" in capsys.readouterr().out


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert "filesrv" in capsys.readouterr().out


def test_a_console_takes_the_streams_of_the_process_if_none_are_given() -> None:
    assert Console().stdout is not None


def test_standard_streams_that_are_closed_are_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, stream, None)

    assert cli.main(["nonsense"]) == USAGE
