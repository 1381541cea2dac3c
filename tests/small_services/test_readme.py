"""What the README shows of the small services is played again."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon import Daemon
from tests.support.transcripts import Block, Exchange, Session, blocks, same

README = Path(__file__).parents[2] / "README.rst"
BLOCKS = [
    block
    for block in blocks(README.read_text(encoding="utf-8"))
    if block.section == "The small services"
]

#: What no two runs have in common, beside what no two transcripts have.
_VOLATILE = [
    (r"[A-Z][a-z]+day, [A-Z][a-z]+ \d+, \d{4} [\d:]{8}[+-]\d\d:\d\d", "<time>"),
    (r"give or take \d+\.\d s", "give or take <n> s"),
    (r"^ *\d+\.\d{3} ms", "<n> ms"),
    (r"min/median/max [\d./]+ ms", "min/median/max <n> ms"),
]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    options = ("--daytime", "0", "--daytime-udp", "--udp-echo", "0")
    with Daemon(tmp_path / "root", *options) as running:
        yield running


def without_chance(lines: list[str]) -> list[str]:
    for pattern, stands_in in _VOLATILE:
        lines = [re.sub(pattern, stands_in, line) for line in lines]
    return same(lines, [])


def ports(daemon: Daemon) -> dict[str, str]:
    """The ports of the README, and those that stand for them."""
    _, daytime, _, echo = (address.rpartition(":")[2] for address in daemon.addresses)
    return {"9013": daytime, "9007": echo}


def test_what_is_shown_is_what_happens(daemon: Daemon, tmp_path: Path) -> None:
    assert BLOCKS
    variables = {
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TZ": "UTC",
    }
    session = _Session(tmp_path, 9000, variables, ports=ports(daemon))
    for block in BLOCKS:
        for typed, expected, got in session.play(block):
            assert (typed, got) == (typed, expected)


class _Session(Session):
    """With several ports."""

    def __init__(self, *arguments: object, ports: dict[str, str]) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self._ports = ports

    def play(self, block: Block) -> Iterator[tuple[str, list[str], list[str]]]:
        for exchange in block.exchanges:
            line = exchange.typed
            for shown, real in self._ports.items():
                line = re.sub(rf"\b{shown}\b", real, line)
            got = self._play(Exchange(line, exchange.output))
            yield exchange.typed, without_chance(exchange.output), without_chance(got)


def test_all_of_the_systems_tools_are_shown() -> None:
    typed = "\n".join(exchange.typed for block in BLOCKS for exchange in block.exchanges)
    for tool in ("nc localhost", "nc -u", "socat", "filesrv daytime", "filesrv udp-echo"):
        assert tool in typed
