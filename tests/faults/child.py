"""
Daemons that die where they are told to: ``python -m tests.faults.child``.

For each line of JSON that is read, a process is forked that serves a root; it says the
port and its id in a line, and that it ended in another.  Forked, it starts in a tenth of
the time that twistd takes; what runs in it is the service that twistd would start.

It dies by SIGKILL, at a call that changes or flushes the disk: before it, after it, or,
where it writes, after half of it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

# These take long, and are the same for all; but no two processes can share a reactor.
import twisted.internet.epollreactor
import twisted.internet.tcp

import filesrv.service.daemon
import filesrv.service.options
from filesrv.store.database import Database

__all__ = ["main"]

assert [twisted.internet.epollreactor, twisted.internet.tcp]

#: The calls that change or flush something, which is all that a death may fall between.
CHANGES = (
    "pwrite", "ftruncate", "rename", "link", "unlink", "mkdir", "rmdir", "utime", "fsync",
    "fdatasync", "open", "close",
)  # fmt: skip


def main() -> None:
    """Fork until nothing more is asked for."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            serve(**json.loads(line))
        _, status = os.waitpid(pid, 0)
        print(f"ended {os.waitstatus_to_exitcode(status)}", flush=True)


def serve(root: str, log: str, at: int, how: str, options: list[str]) -> NoReturn:
    """
    Serve a root.

    @param at: die at this call, from 1; never at 0.
    @param how: C{before}, C{after} or C{torn}.
    """
    from twisted.internet import reactor
    from twisted.logger import globalLogBeginner, textFileLogObserver

    running: Any = reactor
    output = open(log, "a", encoding="utf-8", buffering=1)  # noqa: SIM115
    globalLogBeginner.beginLoggingTo([textFileLogObserver(output)], redirectStandardIO=False)
    chosen = filesrv.service.options.Options()
    chosen.parseOptions(["--root", root, "--port", "tcp:0:interface=127.0.0.1", *options])
    if at:
        die(at, how)
    service = filesrv.service.daemon.FilesrvService(running, chosen)
    service.startService()
    [port] = service.listening
    address: Any = port.getHost()
    print(f"{address.port} {os.getpid()}", flush=True)
    running.run()
    os._exit(0)


def die(at: int, how: str) -> None:
    """See to it that this process is killed at its call number C{at}."""
    left = at

    def counted(call: Callable[..., Any], half: Callable[..., Any] | None) -> Callable[..., Any]:
        def dying(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0 and how == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            if left == 0 and how == "torn" and half is not None:
                half(*arguments, **named)
                os.kill(os.getpid(), signal.SIGKILL)
            result = call(*arguments, **named)
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return dying

    pwrite = os.pwrite

    def half(descriptor: int, data: bytes, offset: int) -> int:
        return pwrite(descriptor, data[: len(data) // 2], offset)

    for name in CHANGES:
        setattr(os, name, counted(getattr(os, name), half if name == "pwrite" else None))
    Database.write = counted(Database.write, None)  # type: ignore[method-assign]


if __name__ == "__main__":
    # The parent is interrupted with the tests; the children then have nobody to serve.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    main()
