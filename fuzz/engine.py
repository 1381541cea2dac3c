"""
One target under atheris, in a process of its own, because libFuzzer ends the process.

Called by L{fuzz.__main__}, as C{python -m fuzz.engine TARGET ARGUMENT...} with arguments
of libFuzzer.
"""

from __future__ import annotations

import logging
import sys

import atheris

#: What is watched for coverage: this project, and what Twisted does with bytes.
_INSTRUMENTED = ["filesrv", "twisted.protocols.basic", "twisted.internet.abstract"]


def main() -> None:
    """Fuzz until libFuzzer has had enough, or something is found."""
    name, *arguments = sys.argv[1:]
    logging.disable()
    with atheris.instrument_imports(include=_INSTRUMENTED):
        from fuzz.targets import load

        check = load(name).check
    atheris.Setup([f"fuzz-{name}", *arguments], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
