"""The README shows what really happens: its transcripts are played again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from filesrv.server.commands import COMMANDS
from tests.programs.conftest import SERVICE_SCAN, ServiceScan
from tests.support.daemon import Daemon, program
from tests.support.transcripts import Block, Session, blocks, same, shown_port

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.rst").read_text(encoding="utf-8")
BLOCKS = blocks(README)
#: Those that are played, in their order: one goes on with the files of another.
#: Some have daemons of their own: tests.small_services.test_readme, tests.access.test_readme.
ELSEWHERE = {"The small services", "Accounts"}
PLAYED = [block for block in BLOCKS if block.exchanges and block.section not in ELSEWHERE]
SECTIONS = list(dict.fromkeys(block.section for block in PLAYED))


@dataclass
class Played:
    """
    All of it, played once.

    @ivar found: by section, what was typed, what should come back and what did.
    """

    daemon: Daemon
    found: dict[str, list[tuple[str, list[str], list[str]]]]


@pytest.fixture(scope="module")
def played(
    tmp_path_factory: pytest.TempPathFactory, service_scan: ServiceScan
) -> Generator[Played]:
    directory = tmp_path_factory.mktemp("readme")
    root = directory / "filesrv-files"
    with Daemon(root, ports=["0"], cwd=directory, name_root=False) as daemon:
        variables = {
            "HOME": str(directory),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "FILESRV_SERVER": f"localhost:{daemon.port}",
            "TZ": "UTC",
        }
        session = Session(directory, daemon.port, variables)
        session.special["twistd -n filesrv"] = lambda: daemon.log_lines[:7]
        session.special[SERVICE_SCAN] = lambda: shown_port(
            service_scan.output(), service_scan.daemon.port
        ).splitlines()
        found: dict[str, list[tuple[str, list[str], list[str]]]] = {}
        for block in PLAYED:
            found.setdefault(block.section, []).extend(session.play(block))
        yield Played(daemon, found)


@pytest.mark.parametrize("section", SECTIONS)
def test_what_a_section_shows_is_what_happens(played: Played, section: str) -> None:
    for typed, expected, got in played.found[section]:
        assert (typed, got) == (typed, expected)


def test_the_log_has_the_lines_that_are_shown(played: Played) -> None:
    (shown,) = [block for block in BLOCKS if block.language == "text"]
    log = iter(same(played.daemon.log_lines, []))
    for line in same(shown.lines, []):
        assert line in log  # ... and behind the one before it


def in_telnet(block: Block) -> bool:
    return block.lines[0].startswith("$ telnet ")


def test_every_command_of_the_server_is_shown_in_telnet_or_netcat() -> None:
    shown = "\n".join(
        line
        for block in PLAYED
        if in_telnet(block) or "nc -N" in block.lines[0]
        for line in block.lines
    )
    assert [verb for verb in COMMANDS if not re.search(rf"{verb}\b", shown)] == []


def test_every_option_of_the_daemon_is_explained_and_no_other(tmp_path: Path) -> None:
    said = subprocess.run(
        [program("twistd"), "filesrv", "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    options = set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", said.stdout, re.MULTILINE))
    _, _, behind = README.partition("Options of the daemon\n---")
    table, _, _ = behind.partition("How going on works\n---")
    explained = set(re.findall(r"--[a-z][\w-]+", table[table.index("\n===") :]))
    assert explained == options


def test_the_documents_that_are_linked_are_there() -> None:
    links = re.findall(r"<([^<>\s]+\.rst)>`_", README)
    assert links
    assert [link for link in links if not (REPOSITORY / link).is_file()] == []


def test_the_readme_begins_with_what_it_is_for_and_two_commands() -> None:
    first, start = (README.index(block.lines[0]) for block in BLOCKS[:2])
    assert README.index("filesrv moves files") < first < start
    for block in BLOCKS[:2]:
        (line,) = block.lines
        assert line.startswith("sudo apt-get update && ")
    assert BLOCKS[0].lines[0].endswith(".venv/bin/twistd -n filesrv --port 9000")
    assert BLOCKS[1].lines[0].endswith(".venv/bin/pytest")
