"""
Who changes the files of a daemon that may die at any moment, and knows what must be there
afterwards.

A world is what is published: names and contents.  What was answered has happened, what was
refused has not; a change that was not answered leaves two worlds, one with it and one
without.  Contents are told by their sizes, of which no two are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from filesrv.transfer.digest import BlockDigests
from tests.faults.lives import Connection

__all__ = ["Author", "World"]

World = dict[str, bytes]

NAMES = ("a", "b", "c d", "dir/a", "dir/b", "dir/deep/er/c")

#: Small ones have no row of the registry while they come; the largest have several blocks.
SIZES = ((0, 0), (1, 3_000), (3_000, 250_000), (270_000, 900_000), (4_100_000, 9_500_000))
OFTEN = (1, 6, 6, 8, 2)


#: Bytes of a refused payload that the server skips; it closes instead of skipping more.
MAX_SKIPPED = 1024 * 1024


@dataclass(frozen=True)
class Wishes:
    """
    How a file is to be uploaded.

    @ivar new: whether nothing of this content can be there yet.
    @ivar from_0: whether the offset is named, so that the payload need not wait.
    @ivar ask: whether it waits for its COMMIT.
    @ivar exclusive: whether it may not replace a file.
    """

    new: bool
    from_0: bool = False
    ask: bool = False
    exclusive: bool = False

    def __str__(self) -> str:
        offset = " 0" if self.from_0 else ""
        ask = " commit=ask" if self.ask else ""
        return offset + ask + (" if-absent=yes" if self.exclusive else "")


class Author:
    """
    @ivar worlds: one of these is on the disk.
    @ivar contents: all that was ever begun to be sent, by size.
    @ivar before_bytes: called with the count of bytes that the next call sends.
    @ivar acknowledged: how many changes were answered OK.
    @ivar whole: the sizes of uploads of which all was acknowledged, by name, and that
        wait for their COMMIT.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self.worlds: list[World] = [{}]
        self.contents: dict[int, bytes] = {}
        self.before_bytes: Callable[[int], None] = lambda length: None
        self.acknowledged = 0
        self.whole: dict[str, int] = {}

    @property
    def world(self) -> World:
        """What is published, where that is certain."""
        [world] = self.worlds
        return world

    def new_content(self) -> bytes:
        """A content of a size that no other has."""
        while True:
            least, most = self._random.choices(SIZES, OFTEN)[0]
            size = self._random.randint(least, most)
            if size not in self.contents or size == 0:
                self.contents[size] = self._random.randbytes(size)
                return self.contents[size]

    def live(self, connect: Callable[[], Connection], changes: int) -> None:
        """
        Change so many things.

        @raise Gone: the daemon died.
        """
        connection = connect()
        for _ in range(changes):
            kinds = (self.put, self.break_off, self.go_on, self.rename, self.delete, self.discard)
            kind = self._random.choices(kinds, (8, 3, 3, 3, 2, 1))[0]
            if kind(connection):
                connection = connect()
        connection.close()

    def put(self, connection: Connection) -> bool:
        """Upload a whole file; whether a new connection is needed."""
        name, content = self._random.choice(NAMES), self.new_content()
        return self._upload(connection, name, content, len(content), self._wishes(True))

    def break_off(self, connection: Connection) -> bool:
        """Upload part of a file and leave."""
        name, content = self._random.choice(NAMES), self.new_content()
        upto = self._random.randint(0, len(content))
        return self._upload(connection, name, content, upto, self._wishes(True))

    def go_on(self, connection: Connection) -> bool:
        """Go on with an upload, if one is unfinished."""
        pending = self.pending(connection)
        if not pending:
            return False
        name, (_, size) = self._random.choice(sorted(pending.items()))
        return self._upload(connection, name, self.contents[size], size, self._wishes(False))

    def rename(self, connection: Connection) -> bool:
        """Give a file another name."""
        old, new = self._random.choice(NAMES), self._random.choice(NAMES)
        before = self.world
        after = {name: content for name, content in before.items() if name != old}
        if old in before:
            after[new] = before[old]
        self._doubt(after)
        reply = connection.ask(f'RENAME "{old}" "{new}"')
        self._decided(reply, after if reply == "OK" else before)
        assert (reply == "OK") == (old in before), reply
        return False

    def delete(self, connection: Connection) -> bool:
        """Delete a file."""
        name, before = self._random.choice(NAMES), self.world
        after = {other: content for other, content in before.items() if other != name}
        self._doubt(after)
        reply = connection.ask(f'DELETE "{name}"')
        self._decided(reply, after if reply == "OK" else before)
        assert (reply == "OK") == (name in before), reply
        return False

    def discard(self, connection: Connection) -> bool:
        """Forget an unfinished upload, if there is one of that name."""
        name = self._random.choice(NAMES)
        self.whole.pop(name, None)
        connection.ask(f'DISCARD "{name}"')
        return False

    def pending(self, connection: Connection) -> dict[str, tuple[int, int]]:
        """The unfinished uploads: name, offset and size."""
        found = {}
        for line in connection.lines("PENDING"):
            direction, offset, size, _, rest = line.split(" ", 4)
            assert direction == "upload", line
            name = rest.partition(" last=")[0].strip('"')
            found[name] = (int(offset), int(size))
        return found

    def finish(self, connection: Connection, name: str, size: int) -> None:
        """Go on with an upload to its end, whatever it was begun with."""
        content = self.contents[size]
        assert not self._upload(connection, name, content, size, Wishes(new=False))
        assert self.world[name] == content

    def _wishes(self, new: bool) -> Wishes:
        chance = self._random.random
        return Wishes(new, new and chance() < 0.3, chance() < 0.3, chance() < 0.2)

    def _upload(
        self, connection: Connection, name: str, content: bytes, upto: int, wishes: Wishes
    ) -> bool:
        """
        @param upto: break off there.
        @return: whether a new connection is needed.
        """
        size, before = len(content), self.world
        after = {**before, name: content}
        self.whole.pop(name, None)
        if not wishes.ask and (size == 0 or not wishes.new):
            self._doubt(after)  # Perhaps all of it is here, and this line publishes it.
        reply = connection.ask(f'UPLOAD "{name}" {size}{wishes}')
        if wishes.exclusive and name in before:
            self._decided(reply, before, "ERR EXISTS ")
            connection.tell(content if wishes.from_0 and size <= MAX_SKIPPED else b"")
            return wishes.from_0
        start = int(reply.partition("offset=")[2].split()[0])
        if start < size:
            self.worlds = [before]
        for piece in self._pieces(content[start:upto]):
            self.before_bytes(len(piece))
            start += len(piece)
            if start == size and not wishes.ask:
                self._doubt(after)
            connection.tell(piece)
        if start < size:
            connection.reset()
            return True
        if not wishes.ask:
            self._doubt(after)
            self._decided(connection.answer(), after, f"OK stored={name}")
        elif self._acknowledged(connection, name, size) and self._random.random() < 0.8:
            self._commit(connection, name, content, after)
        return False

    def _pieces(self, content: bytes) -> Iterator[bytes]:
        start = 0
        while start < len(content):
            length = self._random.randint(1, max(1, len(content) // 2))
            yield content[start : start + length]
            start += length

    def _acknowledged(self, connection: Connection, name: str, size: int) -> bool:
        answer = connection.answer()
        self.acknowledged += 1
        self.whole[name] = size
        return answer.startswith(f"OK size={size} ")

    def _commit(self, connection: Connection, name: str, content: bytes, after: World) -> None:
        digests = BlockDigests()
        digests.update(content)
        self._doubt(after)
        reply = connection.ask(f'COMMIT "{name}" blake3-4m={digests.hexdigest()}')
        self._decided(reply, after, "OK stored=")
        del self.whole[name]

    def _doubt(self, after: World) -> None:
        if len(self.worlds) == 1:
            self.worlds = [self.world, after]

    def _decided(self, reply: str, world: World, expected: str = "") -> None:
        assert reply.replace('"', "").startswith(expected), reply
        self.acknowledged += reply.startswith("OK")
        self.worlds = [world]
