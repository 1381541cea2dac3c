"""The packets of docs/tcp.rst: recorded again, and compared with it and its pictures."""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.daemon import Daemon
from tests.support.packets import Capture, Packet, milestones, read_packets
from tests.support.shell import shell
from tests.tcp.conftest import SIZE

PAGE = (Path(__file__).parents[2] / "docs" / "tcp.rst").read_text(encoding="utf-8")
BLOCK = r"\.\. [\w-]+::[^\n]*\n   :name: %s\n\n((?:(?: {3,}[^\n]*)?\n)+)"

SCENES = ["daytime", "farewell", "reset"]


def block(name: str) -> list[str]:
    """The lines of what bears a name on the page."""
    found = re.search(BLOCK % name, PAGE)
    assert found is not None, name
    return textwrap.dedent(found[1]).strip("\n").split("\n")


def command(scene: str) -> str:
    """What is typed."""
    lines = block(f"type-{scene}")
    assert lines[0].startswith("$ ")
    more = [line[2:] for line in lines[1:] if line.startswith("> ")]
    return "\n".join([lines[0][2:], *more])


def documented(scene: str) -> list[Packet]:
    return read_packets(block(f"packets-{scene}"), 9013 if scene == "daytime" else 9000)


def drawn(scene: str) -> list[str]:
    """The arrows of a picture that stand for a flag."""
    arrows = [line.strip() for line in block(f"picture-{scene}")]
    return [arrow for arrow in arrows if re.fullmatch(r"(->|<-) (SYN|SYN, ACK|ACK|FIN|RST)", arrow)]


@pytest.mark.parametrize("scene", SCENES)
def test_what_the_page_says_is_typed_gives_the_packets_that_it_shows(
    daemon: Daemon, content: bytes, tmp_path: Path, scene: str
) -> None:
    daytime = int(daemon.addresses[1].rpartition(":")[2])
    port = daytime if scene == "daytime" else daemon.port
    line = command(scene).replace("9013", str(daytime)).replace("9000", str(daemon.port))
    expected = milestones(documented(scene))
    with Capture(port) as capture:
        said = shell(line.replace("python3", sys.executable), tmp_path)
        packets = capture.wait_for(lambda seen: len(milestones(seen)) >= len(expected))
    assert milestones(packets) == expected
    shown = [line for line in block(f"type-{scene}") if not line.startswith(("$ ", "> "))]
    if scene == "daytime":
        assert re.fullmatch(r"[A-Z][a-z]+day, .* \d{4} [\d:]{8}[+-]\d\d:\d\d", said[0])
    elif scene == "farewell":
        assert int(said[0]) > SIZE
    else:
        assert said[1:] == shown[1:]


@pytest.mark.parametrize("scene", SCENES)
def test_the_pictures_show_what_the_packets_show(scene: str) -> None:
    assert drawn(scene) == milestones(documented(scene))


def test_the_handshake_is_the_beginning_of_every_connection() -> None:
    assert drawn("handshake") == ["-> SYN", "<- SYN, ACK", "-> ACK"]
    for scene in SCENES:
        assert milestones(documented(scene))[:3] == drawn("handshake")


def test_the_half_that_is_still_open_carries_all_that_is_owed(
    daemon: Daemon, content: bytes, tmp_path: Path
) -> None:
    with Capture(daemon.port) as capture:
        line = f"printf 'DOWNLOAD big.bin\\n' | nc -N localhost {daemon.port} | wc -c"
        shell(line, tmp_path)
        packets = capture.wait_for(lambda seen: len(milestones(seen)) == 7)
    ends = [index for index, packet in enumerate(packets) if "F" in packet.flags]
    client, server = ends
    assert (packets[client].up, packets[server].up) == (True, False)
    # The server may begin before the FIN arrives; what is left then fits into no buffer.
    assert packets[server].end - packets[client].ack > SIZE // 2
    assert sum(packet.length for packet in packets[client:] if packet.up) == 0


PACKETS = """
IP 127.0.0.1.5 > 127.0.0.1.9: Flags [S], seq 7, win 1, options [nop], length 0
IP 127.0.0.1.9 > 127.0.0.1.5: Flags [S.], seq 8, ack 8, win 1, length 0
IP 127.0.0.1.5 > 127.0.0.1.9: Flags [.], ack 1, win 1, length 0
IP 127.0.0.1.9 > 127.0.0.1.5: Flags [P.], seq 1:11, ack 1, win 1, length 10
""".strip().splitlines()


@pytest.mark.parametrize(
    ("rest", "arrows"),
    [
        (
            ["5 > 9 [F.], seq 1, ack 11", "9 > 5 [F.], seq 11, ack 2"],
            ["-> FIN", "<- ACK", "<- FIN"],
        ),
        (["5 > 9 [F.], seq 1, ack 11", "9 > 5 [.], ack 1"], ["-> FIN"]),
        (["5 > 9 [FP.], seq 1:9, ack 11", "9 > 5 [.], ack 9"], ["-> FIN"]),
        (["5 > 9 [FP.], seq 1:9, ack 11", "9 > 5 [.], ack 10"], ["-> FIN", "<- ACK"]),
        (["9 > 5 [R], seq 11", "9 > 5 [R], seq 11"], ["<- RST"]),
    ],
)
def test_packets_are_told_apart(rest: list[str], arrows: list[str]) -> None:
    lines = list(PACKETS)
    for short in rest:
        source, target, what = re.fullmatch(r"(\d) > (\d) (.*)", short).groups()  # type: ignore[union-attr]
        lines.append(f"IP 127.0.0.1.{source} > 127.0.0.1.{target}: Flags {what}, length 0")
    found = milestones(read_packets(lines, 9))
    assert found == ["-> SYN", "<- SYN, ACK", "-> ACK", *arrows]
