"""
How fast filesrv is beside others: every row of the tables in docs/performance.rst.

    python -m benchmarks.performance [--quick] [--rows KEY,KEY] [--rounds N] [--json FILE]
                                     [--join FILE …] [--rst FILE] [--picture FILE]

It starts the servers that are installed (vsftpd, pyftpdlib, Twisted's FTP, nginx with DAV,
rsync's daemon), each on a free port of this machine and with a directory in memory, and
says which are missing.  Servers have one core and clients another, where there are two.
Each round measures all rows in an order of its own; what is shown are medians of the
rounds, and medians of the ratios within a round.  What arrived is compared with what was
sent.  The exit status is 1 if something could not be measured; nothing is a threshold.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from benchmarks.document import picture, tables
from benchmarks.goals import goals_table
from benchmarks.rows import GROUPS
from benchmarks.support.bench import FULL, QUICK, Bench
from benchmarks.support.machine import CLIENT, SERVER, facts, raise_limits
from benchmarks.support.samples import Group, Row, Samples
from benchmarks.support.tables import plain, table

#: By default, and where it has to be quick.
_ROUNDS = {False: 15, True: 1}


def _groups(text: str) -> list[Group]:
    keys = {group.key: group for group in GROUPS}
    try:
        return [keys[key] for key in text.split(",")]
    except KeyError as error:
        raise argparse.ArgumentTypeError(f"{error}: there are {', '.join(keys)}") from None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.performance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    known = ", ".join(group.key for group in GROUPS)
    parser.add_argument("--quick", action="store_true", help="small sizes: about a minute")
    parser.add_argument("--rows", type=_groups, default=list(GROUPS), help=f"only: {known}")
    parser.add_argument(
        "--rounds",
        type=int,
        help="how often each row is measured [15]; 0 only shows what is joined",
    )
    parser.add_argument("--json", type=Path, help="where all figures go")
    parser.add_argument(
        "--join", type=Path, nargs="+", default=[], help="earlier --json that count, too"
    )
    parser.add_argument("--rst", type=Path, help="where the tables go")
    parser.add_argument("--picture", type=Path, help="where the picture goes, as SVG")
    parser.add_argument("--memory", type=Path, default=Path("/dev/shm"), help="a tmpfs")
    parser.add_argument("--disk", type=Path, default=Path(tempfile.gettempdir()))
    return parser.parse_args()


def _measure(bench: Bench, groups: Sequence[Group], rounds: int, samples: Samples) -> int:
    """Measure every row in every round; returns how often one failed."""
    rows: list[tuple[Group, Sequence[Row]]] = [(group, group.rows(bench)) for group in groups]
    for group, of_group in rows:
        for row in of_group:  # So that tables keep the order of the rows.
            samples.add(group.key, row.line, {})
    failures = 0
    for number in range(rounds):
        started, took = time.monotonic(), []
        for group, of_group in random.sample(rows, len(rows)):
            if number >= (group.most_rounds or rounds):
                continue
            began = time.monotonic()
            for row in random.sample(of_group, len(of_group)):
                failures += not _measured(group, row, samples)
            took.append(f"{group.key} {time.monotonic() - began:.0f}")
        seconds = time.monotonic() - started
        words = f"round {number + 1} of {rounds}: {seconds:.0f} s ({', '.join(took)})"
        print(words, file=sys.stderr, flush=True)
    return failures


def _measured(group: Group, row: Row, samples: Samples) -> bool:
    """Measure one row once; whether that went well."""
    try:
        samples.add(group.key, row.line, row.measure())
    except Exception:
        print(f"{group.key}, {row.line}:", file=sys.stderr)
        traceback.print_exc()
        return False
    return True


def main() -> int:
    """Measure, and show what was found."""
    arguments = _arguments()
    rounds = _ROUNDS[arguments.quick] if arguments.rounds is None else arguments.rounds
    os.sched_setaffinity(0, {CLIENT})
    # Programs that are installed have their bytecode; so shall those that are measured.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    raise_limits()
    # Whoever stops it leaves no server and no file behind, either.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    samples = Samples()
    for file in arguments.join:
        samples.join(json.loads(file.read_text())["samples"])
    failures = _measured_all(arguments, rounds, samples) if rounds else 0
    _show(arguments, samples)
    return 1 if failures else 0


def _measured_all(arguments: argparse.Namespace, rounds: int, samples: Samples) -> int:
    """Start the servers, and measure; returns how often a row failed."""
    if CLIENT == SERVER:
        print("there is one core only, for servers and clients", file=sys.stderr)
    with Bench(QUICK if arguments.quick else FULL, arguments.memory, arguments.disk) as bench:
        failures = _measure(bench, arguments.rows, rounds, samples)
        missing = bench.missing
    for words in missing:
        print(f"missing: {words}", file=sys.stderr)
    return failures


def _show(arguments: argparse.Namespace, samples: Samples) -> None:
    """Print the tables, and write what was asked for."""
    for group in arguments.rows:
        print(f"\n{group.title}\n{plain(table(group, samples))}")
    print("\nThe goals")
    for what, goal, found, holds in goals_table(samples, "!")[1:]:
        if found:
            print(f"{holds:4}{what}: {goal}\n    {found}")
    known = facts()
    if arguments.json:
        written = {"facts": known, "samples": samples.found}
        arguments.json.write_text(json.dumps(written, indent=1) + "\n")
    if arguments.rst:
        arguments.rst.write_text(tables(arguments.rows, samples, known, arguments.quick))
    if arguments.picture:
        arguments.picture.write_text(picture(samples))


if __name__ == "__main__":
    sys.exit(main())
