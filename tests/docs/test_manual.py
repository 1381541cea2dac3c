"""The manual pages and the completions: as committed, and as a shell uses them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from filesrv.admin.cli import commands as admin_commands
from filesrv.client.cli import commands
from filesrv.service.options import GROUPS
from tests.support.daemon import program

MAN = Path(__file__).parents[2] / "docs" / "man"


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """What docs/man/make.py would write, asked of a process of its own."""
    ask = "import json, make, sys; json.dump(make.made(), sys.stdout)"
    said = subprocess.run(
        [sys.executable, "-c", ask], cwd=MAN, capture_output=True, text=True, check=True
    )
    files: dict[str, str] = json.loads(said.stdout)
    return files


def test_the_pages_and_completions_say_what_the_help_says(made: dict[str, str]) -> None:
    kept = {name: (MAN / name).read_text() for name in made}
    assert kept == made, "run: python docs/man/make.py"


@pytest.mark.parametrize(
    ("page", "group"), [("filesrv.1", commands()), ("filesrv-admin.1", admin_commands)]
)
def test_the_page_of_a_command_tells_of_every_verb(
    made: dict[str, str], page: str, group: click.Group
) -> None:
    page = made[page]
    for name, command in group.commands.items():
        assert f'.SS "{name.replace("-", chr(92) + "-")} ' in page
        shown = (each for each in command.params if isinstance(each, click.Option))
        for parameter in shown:
            for option in () if parameter.hidden else parameter.opts:
                assert option.replace("-", "\\-") in page


def test_the_page_of_the_daemon_tells_of_every_option(made: dict[str, str]) -> None:
    page = made["twistd-filesrv.8"]
    for option in (option for group in GROUPS for option in group.options):
        assert f"--{option.name}".replace("-", "\\-") in page


def test_nothing_in_a_page_is_taken_for_a_request_of_roff(made: dict[str, str]) -> None:
    requests = {".TH", ".SH", ".SS", ".B", ".PP", ".TP"}
    for name, page in made.items():
        if name.endswith((".1", ".8")):
            used = {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))}
            assert used <= requests


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("filesrv up", ["upload"]),
        ("filesrv upload --in", ["--into"]),
        ("filesrv --on-trouble re", ["retry"]),
        ("filesrv-admin ki", ["kick"]),
    ],
)
def test_bash_completes_verbs_and_options(words: str, offered: list[str], tmp_path: Path) -> None:
    command = words.split(maxsplit=1)[0]
    script = f"""
        export PATH={Path(program("filesrv")).parent}:$PATH
        source {MAN}/completions/bash/{command}
        COMP_WORDS=({words}) COMP_CWORD={len(words.split()) - 1}
        _{command.replace("-", "_")}_completion {command}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    said = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == offered
