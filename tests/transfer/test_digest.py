"""C{blake3-4m}, against an implementation that knows nothing of ours."""

from __future__ import annotations

import random

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from filesrv.transfer import digest
from filesrv.transfer.digest import BlockDigests, digest_of_blocks, split_digests

BLOCK = 4 * 1024 * 1024


def plain(content: bytes, block: int = BLOCK) -> str:
    """As the protocol's document says it, in one line."""
    starts = range(0, len(content), block)
    return blake3(b"".join(blake3(content[s : s + block]).digest() for s in starts)).hexdigest()


@pytest.mark.parametrize(
    ("content", "hexadecimal"),
    [
        (b"", "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
        (b"hello\n", "4180cbd7a2b9297abf1f04eb033f30624f1f17186eab61e01aaaf1896a20de96"),
        (
            bytes(BLOCK) + b"hello\n",
            "8b7d5741cc07f84ce7a7439502ee8899ea13244e39bbfc4c52e4c7a61e441052",
        ),
    ],
)
def test_the_documents_examples_come_out(content: bytes, hexadecimal: str) -> None:
    digests = BlockDigests()
    digests.update(content)

    assert digests.hexdigest() == plain(content) == hexadecimal


@pytest.mark.parametrize(
    "size", [1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK - 1, 2 * BLOCK, 2 * BLOCK + 1, 3 * BLOCK]
)
def test_at_the_edges_of_blocks_it_is_as_plainly_computed(size: int) -> None:
    content = random.Random(size).randbytes(size)
    for step in (size, 1_000_003, 65_536, BLOCK):
        digests = BlockDigests()
        for start in range(0, size, step):
            digests.update(memoryview(content)[start : start + step])
            assert digests.position == min(start + step, size)
        assert digests.hexdigest() == plain(content)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> int:
    """Blocks of 8 bytes, so that many cases take no time."""
    monkeypatch.setattr(digest, "BLOCK_SIZE", 8)
    return 8


@pytest.mark.usefixtures("small_blocks")
class TestAnySplit:
    @given(st.lists(st.binary(max_size=30), max_size=12))
    @settings(max_examples=150, derandomize=True, suppress_health_check=[])
    def test_however_the_bytes_come_the_digest_is_the_same(self, pieces: list[bytes]) -> None:
        digests = BlockDigests()
        for piece in pieces:
            digests.update(piece)

        assert digests.hexdigest() == plain(b"".join(pieces), 8)
        assert digests.position == len(b"".join(pieces))

    @given(st.binary(max_size=60), st.integers(0, 60))
    @settings(max_examples=150, derandomize=True)
    def test_it_can_be_gone_on_with_from_the_blocks_that_were_kept(
        self, content: bytes, broken: int
    ) -> None:
        broken = min(broken, len(content))
        first = BlockDigests()
        first.update(content[:broken])
        second = BlockDigests(bytes(first.complete))
        assert second.position == broken // 8 * 8
        second.update(content[second.position :])

        assert second.hexdigest() == plain(content, 8)

    @given(st.binary(max_size=60))
    @settings(max_examples=60, derandomize=True)
    def test_the_digests_of_the_blocks_are_those_of_each_alone(self, content: bytes) -> None:
        digests = BlockDigests()
        digests.update(content)
        blocks = list(split_digests(digests.blocks()))

        assert blocks == [blake3(content[s : s + 8]).digest() for s in range(0, len(content), 8)]
        assert digest_of_blocks(digests.blocks()) == digests.hexdigest()

    def test_asking_in_between_changes_nothing(self) -> None:
        digests = BlockDigests()
        for start in range(20):
            digests.update(bytes([start]))
            assert digests.hexdigest() == plain(bytes(range(start + 1)), 8)
