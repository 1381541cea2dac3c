"""A bit that changes in what is held of an upload, while its client is away."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from filesrv.transfer.digest import BLOCK_SIZE, BlockDigests
from tests.support.memory import Client, Server

#: Two blocks, and part of a third, have arrived.
CONTENT = Random(7).randbytes(2 * BLOCK_SIZE + 300_000)
HELD = 2 * BLOCK_SIZE + 100_000

Harm = Callable[[Path], None]


def flipped(at: int, suffix: str = "") -> Harm:
    def harm(partial: Path) -> None:
        with open(str(partial) + suffix, "r+b") as file:
            file.seek(at)
            [byte] = file.read(1)
            file.seek(at)
            file.write(bytes([byte ^ 1]))

    return harm


def dated_back(harm: Harm) -> Harm:
    """The same, and the time of modification put back, as a copying tool might."""

    def harm_and_date_back(partial: Path) -> None:
        before = partial.stat()
        harm(partial)
        os.utime(partial, ns=(before.st_atime_ns, before.st_mtime_ns))

    return harm_and_date_back


def shortened(length: int, suffix: str = "") -> Harm:
    return lambda partial: os.truncate(str(partial) + suffix, length)


def lengthened(partial: Path) -> None:
    with partial.open("ab") as file:
        file.write(b"more")


def without_digests(partial: Path) -> None:
    partial.with_name(partial.name + ".blocks").unlink()


#: What happens to the files, and how much may be believed afterwards.
HARMS: dict[str, tuple[Harm, int]] = {
    "the first bit": (flipped(0), 0),
    "a bit of the first block": (flipped(BLOCK_SIZE - 1), 0),
    "a bit of the middle block": (flipped(BLOCK_SIZE + 5), BLOCK_SIZE),
    "a bit of the block begun": (flipped(2 * BLOCK_SIZE), 2 * BLOCK_SIZE),
    "the last bit": (flipped(HELD - 1), 2 * BLOCK_SIZE),
    "a bit, dated back": (dated_back(flipped(17)), 0),
    "shortened": (shortened(BLOCK_SIZE + 9), BLOCK_SIZE),
    "lengthened": (lengthened, HELD),
    "the seal": (flipped(3, ".blocks"), HELD),
    "the noted size": (flipped(32, ".blocks"), HELD),
    "the noted digest": (flipped(50, ".blocks"), HELD),
    "the first digest": (flipped(80, ".blocks"), 0),
    "the second digest": (flipped(110, ".blocks"), BLOCK_SIZE),
    "digests cut off": (shortened(72 + 40, ".blocks"), BLOCK_SIZE),
    "digests emptied": (shortened(0, ".blocks"), 0),
    "digests missing": (without_digests, 0),
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "root")
    yield made
    made.close()


def broken_off(server: Server, how: str, harm: Harm) -> Client:
    """Send part of the file, leave, and come back after something has happened."""
    server.put("f", b"the old one")
    client = server.connect()
    client.says(b"UPLOAD f %d\n" % len(CONTENT), CONTENT[:HELD])
    if how == "reset":
        client.reset()
    else:
        getattr(server, how)()
    [partial] = (server.root / ".filesrv" / "partial").glob("*[!s]")
    harm(partial)
    return server.connect()


@pytest.mark.parametrize("how", ["reset", "restart", "kill"])
@pytest.mark.parametrize("harm", HARMS)
def test_it_is_never_published_and_no_more_than_the_harm_is_sent_again(
    server: Server, harm: str, how: str
) -> None:
    do_harm, good = HARMS[harm]
    client = broken_off(server, how, do_harm)

    reply = client.says(b"UPLOAD f %d\n" % len(CONTENT))

    offset = int(reply[len("OK offset=") :].split()[0])
    assert good // BLOCK_SIZE * BLOCK_SIZE <= offset <= good
    client.says(CONTENT[offset:])
    assert server.files() == {"f": CONTENT}
    digests = BlockDigests()
    digests.update(CONTENT)
    assert client.asks(b"HASH f blake3-4m")[0].split()[1] == f"blake3-4m={digests.hexdigest()}"


@pytest.mark.parametrize("how", ["reset", "restart", "kill"])
def test_without_any_harm_all_of_it_is_gone_on_with(server: Server, how: str) -> None:
    client = broken_off(server, how, lambda partial: None)

    assert client.asks(b"UPLOAD f %d" % len(CONTENT))[0].startswith(f"OK offset={HELD} ")


@pytest.mark.parametrize("harm", HARMS)
def test_of_what_waits_for_its_commit_nothing_harmed_is_published(
    server: Server, harm: str
) -> None:
    server.put("f", b"the old one")
    client = server.connect()
    client.says(b"UPLOAD f %d 0 commit=ask\n" % len(CONTENT))
    client.says(CONTENT)
    [partial] = (server.root / ".filesrv" / "partial").glob("*[!s]")
    HARMS[harm][0](partial)
    digests = BlockDigests()
    digests.update(CONTENT)
    commit = b"COMMIT f blake3-4m=" + digests.hexdigest().encode()

    answer = client.asks(commit)[0]

    if answer.startswith("OK stored=f "):
        assert server.files() == {"f": CONTENT}
        return
    assert answer.startswith(("ERR BAD_OFFSET stored=", "ERR BAD_CHECKSUM "))
    assert server.files() == {"f": b"the old one"}
    reply = client.says(b"UPLOAD f %d commit=ask\n" % len(CONTENT))
    client.says(CONTENT[int(reply[len("OK offset=") :].split()[0]) :])
    assert client.asks(commit)[0].startswith("OK stored=f ")
    assert server.files() == {"f": CONTENT}


def test_while_the_client_is_here_it_is_seen_before_the_file_has_its_name(server: Server) -> None:
    server.put("f", b"the old one")
    client = server.connect()
    client.says(b"UPLOAD f %d\n" % len(CONTENT), CONTENT[:HELD])
    [partial] = (server.root / ".filesrv" / "partial").glob("*[!s]")
    flipped(BLOCK_SIZE)(partial)

    assert client.says(CONTENT[HELD:]).startswith(b"ERR BAD_CHECKSUM ")
    assert server.files() == {"f": b"the old one"}
    reply = client.says(b"UPLOAD f %d\n" % len(CONTENT))
    assert reply.startswith(b"OK offset=%d " % BLOCK_SIZE)
    client.says(CONTENT[BLOCK_SIZE:])
    assert server.files() == {"f": CONTENT}
