"""
C{python -m fuzz}: replay the corpus, and look for more.

Each target runs in a process of its own.  What is found lies in ``fuzz/found/TARGET``,
what is new in ``fuzz/work/TARGET`` until C{--distil} puts the best of it into the corpus.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from fuzz.corpus import CORPUS, HERE, distil, inputs
from fuzz.scene import HOME
from fuzz.targets import NAMES, load

#: libFuzzer's bounds for one input: bytes, seconds on a busy machine, MiB of memory.
_BOUNDS = ("-max_len=4000", "-timeout=60", "-rss_limit_mb=2048")

#: What libFuzzer says at its end that is worth telling.
_TOLD = ("stat::number_of_executed_units", "stat::new_units_added")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; the exit status is 1 if a promise was broken."""
    options = _parser().parse_args(arguments)
    logging.disable()
    names = options.targets or list(NAMES)
    if options.distil:
        for name in names:
            count, kept = distil(load(name), HERE / "work" / name)
            print(f"{name}: {kept} of {count} inputs are kept")
        return 0
    failed = [name for name in names if not _replay(name)]
    seconds = options.seconds + 60 * options.minutes
    for name in names if seconds else ():
        if name not in failed and not _fuzz(name, max(1, int(seconds / len(names)))):
            failed.append(name)
    print(f"failed: {' '.join(failed)}" if failed else "every promise was kept")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--minutes", type=float, default=0, help="to fuzz, shared by all targets")
    parser.add_argument("--seconds", type=float, default=0, help="the same")
    parser.add_argument("--distil", action="store_true", help="keep the best of what was found")
    return parser


def _replay(name: str) -> bool:
    check = load(name).check
    broken = count = 0
    for path in inputs(CORPUS / name, HERE / "found" / name):
        count += 1
        try:
            check(path.read_bytes())
        except Exception:
            traceback.print_exc()
            print(f"{name}: {path} breaks a promise")
            broken += 1
    print(f"{name}: {count} inputs replayed, {broken} broken promises", flush=True)
    return not broken


def _fuzz(name: str, seconds: int) -> bool:
    work, found = _made(HERE / "work" / name), _made(HERE / "found" / name)
    command = (
        *(sys.executable, "-m", "fuzz.engine", name, str(work), str(CORPUS / name)),
        *(f"-dict={HERE / 'words.dict'}", f"-artifact_prefix={found}/", *_BOUNDS),
        *(f"-max_total_time={seconds}", "-print_final_stats=1"),
    )
    # libFuzzer ends the process without tidying up.
    with tempfile.TemporaryDirectory(prefix="filesrv-fuzz-", dir=HOME) as home:
        ran = subprocess.run(
            command,
            env={**os.environ, "TMPDIR": home},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    lines = ran.stdout.splitlines()
    told = [line.partition("stat::")[2] for line in lines if line.startswith(_TOLD)]
    print(f"{name}: {seconds} s of fuzzing; {', '.join(told)}", flush=True)
    if ran.returncode:
        print("\n".join(lines[-60:]))
    return not ran.returncode


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory


if __name__ == "__main__":
    sys.exit(main())
