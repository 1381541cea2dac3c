"""
How soon both ends notice that a link is gone, and how soon bytes flow again.

    python benchmarks/recovery.py [--quick] [--only KEY] [--at-once N] [--screens]

The real daemon and the real client, at the ends of a network of namespaces that breaks in
every way that tests/recovery knows.  It takes root, iproute2 and, for --screens, tmux.
What it prints is what docs/recovery.rst shows; its exit status is 1 if something was later
than it may be.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.recovery.scenarios import (
    DEFAULT,
    LEEWAY,
    QUICK,
    SCENARIOS,
    TRANSFERS,
    Measured,
    Settings,
)
from tests.recovery.terminal import Seen, see_healed_while_asked, see_yes_then_no

_SCREENS: dict[str, Callable[[Settings, Path], Seen]] = {
    "an upload, yes and then no": see_yes_then_no,
    "a download, healed while asked": see_healed_while_asked,
}

_HEAD = (
    "What happens",
    "Server notices",
    "Client notices",
    "Gives up after",
    "Bytes flow after mending",
    "and after that try began",
    "Sent again",
)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_AsItIs)
    parser.add_argument("--quick", action="store_true", help="the shortest times that can be set")
    parser.add_argument("--only", action="append", choices=SCENARIOS, metavar="KEY", help=_keys())
    parser.add_argument("--at-once", type=int, default=12, help="outages at the same time")
    parser.add_argument("--screens", action="store_true", help="show a terminal, too")
    return parser.parse_args()


class _AsItIs(argparse.RawDescriptionHelpFormatter):
    """The text above has its own lines."""


def _keys() -> str:
    return "one of: " + "; ".join(SCENARIOS)


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if value < 1 else f"{value:.1f}"


def _row(title: str, measured: Measured) -> tuple[str, ...]:
    return (
        title,
        _seconds(measured.server_noticed),
        _seconds(measured.client_noticed),
        _seconds(measured.gave_up),
        _seconds(measured.flows),
        _seconds(measured.after_try),
        "" if measured.twice is None else str(measured.twice),
    )


def _print_table(rows: list[tuple[str, ...]]) -> None:
    """As reStructuredText has it."""
    print(".. list-table::\n   :header-rows: 1\n   :widths: 37 10 10 10 12 12 9\n")
    for row in (_HEAD, *rows):
        for number, cell in enumerate(row):
            print(f"   {'  ' if number else '* '}- {cell}".rstrip())


def _too_late(key: str, measured: Measured, settings: Settings) -> list[str]:
    """What took longer than it may."""
    stops = key in ("server stopped", "client stopped")
    # Who is stopped has buffers that go on taking bytes for a few seconds.
    notice = settings.stall_timeout + 3 * LEEWAY if stops else settings.dead_after + LEEWAY
    limits = {
        "the server's notice": (measured.server_noticed, notice),
        "the client's notice": (measured.client_noticed, notice),
        "giving up": (measured.gave_up, settings.patience + LEEWAY),
        "bytes after the try": (measured.after_try, 2.0),
    }
    late = [
        f"{what} took {took:.1f} s, not {limit:.0f}"
        for what, (took, limit) in limits.items()
        if took is not None and took > limit
    ]
    wrong = [] if measured.arrived else ["the file did not arrive as it was"]
    return late + wrong + (["bytes were sent again"] if measured.twice else [])


def _print_settings(settings: Settings) -> None:
    now = datetime.now(timezone.utc)
    twisted = importlib.metadata.version("twisted")
    filesrv = importlib.metadata.version("filesrv")
    print(
        f"{now:%Y-%m-%d}, filesrv {filesrv}, Twisted {twisted}, Python "
        f"{platform.python_version()}, Linux {platform.release().partition('-')[0]}; "
        f"--dead-after {settings.dead_after:g}, --patience {settings.patience:g}, "
        f"--stall-timeout {settings.stall_timeout:g}; seconds, and bytes\n"
    )


def _print_screens(futures: dict[str, Future[Seen]]) -> None:
    for title, future in futures.items():
        seen = future.result()
        print(f"\n{title} (asked after {', '.join(map(_seconds, seen.asked))} s)")
        for name, screen in seen.screens.items():
            print(f"\n{name}:\n")
            print("\n".join(f"    {line}" for line in screen.splitlines()))


def main() -> int:
    """Print it, and say whether all of it was in time."""
    arguments = _arguments()
    settings = QUICK if arguments.quick else DEFAULT
    keys = [key for key in SCENARIOS if key in (arguments.only or SCENARIOS)]
    complaints: list[str] = []
    rows: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(arguments.at_once) as pool:
        place = Path(directory)
        screens = {
            title: pool.submit(see, settings, place / f"screen {number}")
            for number, (title, see) in enumerate(_SCREENS.items())
            if arguments.screens
        }
        futures: dict[str, Future[Any]] = {
            key: pool.submit(SCENARIOS[key][1], settings, place / f"outage {number}")
            for number, key in enumerate(keys)
        }
        for key, future in futures.items():
            title = SCENARIOS[key][0]
            try:
                measured = future.result()
            except AssertionError as error:
                complaints.append(f"{title}: {error}")
                continue
            rows.append(_row(title, measured))
            complaints += [f"{title}: {each}" for each in _too_late(key, measured, settings)]
            if key in TRANSFERS and measured.client_saw:
                print(f"{title}: {measured.client_saw}", file=sys.stderr)
        _print_settings(settings)
        _print_table(rows)
        _print_screens(screens)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
