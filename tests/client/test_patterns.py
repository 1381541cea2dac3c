"""Which files a name, a directory or a pattern means, and where each goes here."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from filesrv.client.answers import Entry, Status
from filesrv.client.patterns import Wanted, wanted
from filesrv.wire.errors import BadName, NotFound
from filesrv.wire.replies import MalformedReply
from tests.client.network import Network

TREE = [
    "a.txt",
    "b.log",
    ".hidden",
    "[1].txt",
    "logs/2025/x.log",
    "logs/2026/x.log",
    "logs/2026/y.log",
    "logs/top.log",
    "logs/.secret/z.log",
]


@pytest.fixture
def tree(network: Network) -> Network:
    for name in TREE:
        network.server.put(name, name.encode())
    return network


def meant(network: Network, asked: str, recursive: bool = False) -> dict[str, str]:
    async def ask() -> list[Wanted]:
        return await wanted(await network.connect(), asked, recursive)

    return {each.name: "/".join(each.parts) for each in network.run(ask())}


def test_a_name_means_that_file_and_goes_by_its_last_part(tree: Network) -> None:
    assert meant(tree, "logs/2026/x.log") == {"logs/2026/x.log": "x.log"}


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*", {"a.txt", "b.log", "[1].txt"}),
        ("*.txt", {"a.txt", "[1].txt"}),
        ("?.txt", {"a.txt"}),
        ("[ab].*", {"a.txt", "b.log"}),
        ("[!a]*", {"b.log", "[1].txt"}),
        (".h*", {".hidden"}),
        ("logs/*", {"logs/top.log"}),
        ("logs/*/x.log", {"logs/2025/x.log", "logs/2026/x.log"}),
        ("l*/202?/*", {"logs/2025/x.log", "logs/2026/x.log", "logs/2026/y.log"}),
        ("**/x.log", {"logs/2025/x.log", "logs/2026/x.log"}),
        (
            "logs/**",
            {"logs/top.log", "logs/2025/x.log", "logs/2026/x.log", "logs/2026/y.log"},
        ),
        ("**/*.txt", {"a.txt", "[1].txt"}),
    ],
)
def test_a_pattern_means_what_it_would_in_a_shell(
    tree: Network, pattern: str, names: set[str]
) -> None:
    assert set(meant(tree, pattern)) == names


def test_a_file_whose_name_looks_like_a_pattern_comes_first(tree: Network) -> None:
    assert meant(tree, "[1].txt") == {"[1].txt": "[1].txt"}
    tree.server.put("1.txt", b"")
    assert meant(tree, "[1].txt") == {"[1].txt": "[1].txt"}


def test_what_a_pattern_matches_keeps_its_place_below_the_fixed_part(tree: Network) -> None:
    assert meant(tree, "logs/20*/x.log") == {
        "logs/2025/x.log": "2025/x.log",
        "logs/2026/x.log": "2026/x.log",
    }


def test_a_directory_comes_whole_and_under_its_own_name(tree: Network) -> None:
    expected = {"logs/2026/x.log": "2026/x.log", "logs/2026/y.log": "2026/y.log"}

    assert meant(tree, "logs/2026", recursive=True) == expected
    assert meant(tree, "logs/2026/", recursive=True) == expected


@pytest.mark.parametrize("asked", ["", ".", "/"])
def test_the_root_comes_whole(tree: Network, asked: str) -> None:
    assert meant(tree, asked, recursive=True) == {name: name for name in TREE}


def test_with_r_a_file_is_still_a_file(tree: Network) -> None:
    assert meant(tree, "logs/top.log", recursive=True) == {"logs/top.log": "top.log"}


def test_with_r_a_pattern_takes_directories_too(tree: Network) -> None:
    assert set(meant(tree, "logs/202*", recursive=True)) == {
        "logs/2025/x.log",
        "logs/2026/x.log",
        "logs/2026/y.log",
    }


@pytest.mark.parametrize(("asked", "recursive"), [("no*", False), ("nix/*", False), ("nix", True)])
def test_what_means_nothing_is_not_found(tree: Network, asked: str, recursive: bool) -> None:
    with pytest.raises(NotFound):
        meant(tree, asked, recursive)


@pytest.mark.parametrize("asked", ["../x", "/etc/passwd", "a//b", ""])
def test_what_is_no_name_is_not_even_asked_for(tree: Network, asked: str) -> None:
    with pytest.raises(BadName):
        meant(tree, asked)


class LyingServer:
    """Lists whatever it likes."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries

    async def list(self, directory: str) -> Sequence[Entry]:
        return self.entries

    async def stat(self, name: str) -> Status:
        raise NotFound


@pytest.mark.parametrize(
    "entry",
    [
        Entry("other/.bashrc", 3, 0),
        Entry(".bashrc", 3, 0),
        Entry("docs/sub/deep", 3, 0),
        Entry("docsx", 3, 0),
        Entry("docs/sub/deep/", None, 0),
        Entry("elsewhere/", None, 0),
    ],
)
@pytest.mark.parametrize(("asked", "recursive"), [("docs", True), ("docs/*", False)])
def test_a_server_that_lists_what_was_not_asked_for_ends_the_run(
    network: Network, entry: Entry, asked: str, recursive: bool
) -> None:
    """What scp clients fell for (CVE-2019-6111): files beside those that were wanted."""
    server = LyingServer([Entry("docs/fine", 3, 0), entry])

    with pytest.raises(MalformedReply):
        network.run(wanted(server, asked, recursive))  # type: ignore[arg-type]
