"""
twistd whose reactor tells how long its turns were: while one lasts, nobody else is served.

    python benchmarks/turns.py FILE TWISTD-ARGUMENTS...

It runs until it is stopped, and then writes the longest turns to FILE, as a JSON list of
seconds.  A turn is the time between two waits of the reactor.
"""

from __future__ import annotations

import heapq
import json
import sys
import time
from typing import Any

__all__ = ["main"]

#: How many of the longest turns are kept.
KEPT = 20


class _TimedPoll:
    """The reactor's poll object, and the time between its calls."""

    def __init__(self, poll: Any) -> None:
        self._poll = poll
        self._woke: float | None = None
        self.longest: list[float] = []

    def poll(self, *arguments: Any) -> Any:
        if self._woke is not None:
            turn = time.perf_counter() - self._woke
            if len(self.longest) < KEPT:
                heapq.heappush(self.longest, turn)
            elif turn > self.longest[0]:
                heapq.heapreplace(self.longest, turn)
        found = self._poll.poll(*arguments)
        self._woke = time.perf_counter()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._poll, name)


def main() -> None:
    """Run twistd."""
    target = sys.argv.pop(1)
    sys.argv[0] = "twistd"
    from twisted.internet import epollreactor

    epollreactor.install()
    from twisted.internet import reactor
    from twisted.scripts.twistd import run

    running: Any = reactor
    poll = running._poller = _TimedPoll(running._poller)

    def write() -> None:
        with open(target, "w", encoding="ascii") as file:
            json.dump(sorted(poll.longest, reverse=True), file)

    # twistd ends itself by the signal that stopped it, so nothing behind run() happens.
    running.addSystemEventTrigger("after", "shutdown", write)
    run()


if __name__ == "__main__":
    main()
