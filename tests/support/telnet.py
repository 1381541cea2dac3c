"""
The real telnet on a terminal of its own.
"""

from __future__ import annotations

import pexpect

from tests.support.daemon import PATIENCE

__all__ = ["Telnet"]


class Telnet:
    """telnet, as somebody uses it who types and reads."""

    def __init__(self, port: int, host: str = "localhost") -> None:
        self._terminal = pexpect.spawn(
            "telnet",
            [host, str(port)],
            encoding="utf-8",
            timeout=PATIENCE,
            dimensions=(50, 500),
        )
        self._terminal.delaybeforesend = None
        self.welcome = [self.line()]
        while not self.welcome[-1].startswith("Escape character"):
            self.welcome.append(self.line())

    def __enter__(self) -> Telnet:
        return self

    def __exit__(self, *exc: object) -> None:
        self._terminal.close(force=True)

    def line(self) -> str:
        """The next line on the screen."""
        self._terminal.expect_exact("\r\n")
        return str(self._terminal.before).replace("\r", "")

    def lines(self, count: int) -> list[str]:
        """The next lines on the screen."""
        return [self.line() for _ in range(count)]

    def type(self, line: str) -> None:
        """Type a line; the terminal shows it."""
        self._terminal.sendline(line)
        assert self.line() == line

    def ask(self, line: str) -> str:
        """Type a line and read one."""
        self.type(line)
        return self.line()

    def interrupt(self) -> None:
        """Type Ctrl-C; it is shown, and no new line begins."""
        self._terminal.sendcontrol("c")
        self._terminal.expect_exact("^C")

    def escape(self, command: str) -> None:
        """Type Ctrl-] and a command for telnet itself."""
        self._terminal.send("\x1d")
        self._terminal.expect_exact("telnet> ")
        self._terminal.sendline(command)
        assert self.line() == command

    def end(self) -> list[str]:
        """What it says until it ends by itself."""
        self._terminal.expect(pexpect.EOF)
        return str(self._terminal.before).replace("\r", "").splitlines()
