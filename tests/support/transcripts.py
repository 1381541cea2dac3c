"""
Transcripts in documents, played again: what they say is typed is typed, and what they
say comes back has to come back, but for what no two runs have in common.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.shell import run
from tests.support.telnet import Telnet

__all__ = ["Block", "Exchange", "Session", "blocks", "same", "shown_port"]

_BLOCK = re.compile(
    r"^(?:\.\. varies: (?P<varies>.+)\n\n)?"
    r"\.\. code-block:: (?P<language>\w+)\n\n(?P<text>(?:[ ]{4}.*\n|\n(?=\n*[ ]{4}))+)",
    re.MULTILINE,
)
_HEADING = re.compile(r"^(?P<title>\S.*)\n(?:=+|-+)\n", re.MULTILINE)

#: What differs between two runs, and what stands in its place when they are compared.
_VOLATILE: list[tuple[str, str]] = [
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?", "<time>"),
    (r"\bseconds=[\d.]+", "seconds=<n>"),
    (r"\bin [\d.]+ s(econds)?\b", "in <n> s"),
    (r"[\d.]+[kMG]?bit/s", "<rate>"),
    (r"\bversion=\S+", "version=<version>"),
    (r"\bfilesrv \d+\.\d+\.\d+\S*", "filesrv <version>"),
    (r"\btwistd \d.*", "twistd <version>"),
    (r"(\d+\.\d+\.\d+\.\d+|::1)\(\d+\)", "<peer>"),
    (r"\b[0-9a-f]{64}\b", "<digest>"),
    (r"\b\d+/(python|twistd)\S*", "<program>"),
    (r'users:\(\("[^"]+",pid=\d+,fd=\d+\)\)', "<program>"),
    (r"^(\d+/tcp\s+open)\s+\S+", r"\1 <service>"),
    (r"/\S*/filesrv-files", "<directory>/filesrv-files"),
    (r"^bash: (line \d+: +)? *\d+ Killed.*", "Killed"),
    (r"\s+", " "),
]
#: Lines that are there on some machines and not on others.
_NOT_EVERYWHERE = re.compile(
    r"Trying |Other addresses for|rDNS record|Host is up|Starting Nmap|Nmap scan report"
    r"|\(Not all processes| will not be shown, you would|SF|$"
)


@dataclass(frozen=True)
class Exchange:
    """Something typed, and the lines that come back."""

    typed: str
    output: list[str]


@dataclass(frozen=True)
class Block:
    """
    A code block of a document.

    @ivar section: the title above it.
    @ivar varies: fields whose numbers no two runs have in common.
    """

    section: str
    language: str
    lines: list[str]
    varies: list[str]

    @property
    def exchanges(self) -> list[Exchange]:
        """The shell lines behind C{$}, going on behind C{>}, and their output."""
        found: list[Exchange] = []
        lines = iter([*self.lines, "$ "])
        typed = ""
        output: list[str] = []
        for line in lines:
            if line.startswith("$ "):
                if typed:
                    found.append(Exchange(typed, output))
                typed, output = line[2:], []
            elif line.startswith("> ") and not output:
                typed += "\n" + line[2:]
            else:
                output.append(line)
        return found


def blocks(document: str) -> list[Block]:
    """The code blocks of a document in reStructuredText, in their order."""
    titles = [(match.start(), match["title"]) for match in _HEADING.finditer(document)]
    return [
        Block(
            [title for start, title in titles if start < match.start()][-1],
            match["language"],
            textwrap.dedent(match["text"]).strip("\n").split("\n"),
            (match["varies"] or "").split(),
        )
        for match in _BLOCK.finditer(document)
    ]


def same(lines: list[str], varies: list[str]) -> list[str]:
    """The lines without what differs between two runs."""
    fields = [(rf"\b{name}=\d+", f"{name}=<n>") for name in varies]
    counts = [(rf"\b\d+ {name}\b", f"<n> {name}") for name in varies]
    replaced = [_replaced(line, [*_VOLATILE, *fields, *counts]) for line in lines]
    return [line for line in replaced if not _NOT_EVERYWHERE.match(line)]


def _replaced(line: str, replacements: list[tuple[str, str]]) -> str:
    for pattern, stands_in in replacements:
        line = re.sub(pattern, stands_in, line)
    return line.strip()


def shown_port(text: str, port: int) -> str:
    """With 9000 in the place of a port, but not of the same digits within a digest."""
    return re.sub(rf"\b{port}\b", "9000", text)


@dataclass
class Session:
    """
    Where transcripts are played: a directory, and a server whose port stands for 9000.

    @ivar special: commands that are not run here but that something else has the output
        of, by what they begin with.
    """

    directory: Path
    port: int
    variables: dict[str, str]
    special: dict[str, Callable[[], list[str]]] = field(default_factory=dict)

    def play(self, block: Block) -> Iterator[tuple[str, list[str], list[str]]]:
        """What was typed, what should come back and what does."""
        for exchange in block.exchanges:
            output = self._play(exchange)
            got = [shown_port(line, self.port) for line in output]
            yield exchange.typed, same(exchange.output, block.varies), same(got, block.varies)

    def _play(self, exchange: Exchange) -> list[str]:
        for beginning, output in self.special.items():
            if exchange.typed.startswith(beginning):
                return output()
        if exchange.typed.startswith("telnet "):
            return self._in_telnet(exchange.output)
        line = exchange.typed.replace("9000", str(self.port))
        ended = run(f"{line}\nexit", self.directory, **self.variables)
        return ended.stdout.replace("\r\n", "\n").splitlines()

    def _in_telnet(self, screen: list[str]) -> list[str]:
        """Type what the screen shows where a person typed."""
        with Telnet(self.port) as telnet:
            got = [*telnet.welcome, telnet.line()]
            for typed, count in _typed(screen[len(got) :]):
                telnet.type(typed)
                got += [typed, *telnet.lines(count)]
            return got + telnet.end()


def _typed(screen: list[str]) -> list[tuple[str, int]]:
    """The lines that a person typed, and how many the server answers to each."""
    rest = list(screen)
    steps: list[tuple[str, int]] = []
    while rest and not rest[0].startswith("Connection closed"):
        command, reply, count = rest.pop(0), rest.pop(0), 1
        lines = re.match(r"OK lines=(\d+)", reply)
        length = re.match(r"OK offset=\d+ length=(\d+)", reply)
        payload = _lines_in(rest, int(length[1])) if length else 0
        if lines:
            count += int(lines[1])
        elif length and command.upper().startswith("UPLOAD "):
            # What is typed now is the payload, and behind it comes the second reply.
            steps += [(command, count), *((line, 0) for line in rest[:payload])]
            rest = rest[payload:]
            command, count = steps.pop()
            steps.append((command, count + 1))
            rest = rest[1:]
            continue
        elif length:
            count += payload + 1
        steps.append((command, count))
        rest = rest[count - 1 :]
    return steps


def _lines_in(lines: list[str], size: int) -> int:
    """How many of the lines, each with its CR LF, make so many bytes."""
    count = 0
    while size > 0:
        size -= len(lines[count].encode()) + 2
        count += 1
    return count
