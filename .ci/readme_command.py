"""
Print the command of README.rst that follows a comment: ``readme_command.py README COMMENT``.

It is what a reader would copy: the lines of the code block that comes next after the
comment, without their indentation.  Anything unexpected is an error, so that CI never
runs something else, or nothing, in its place.
"""

import re
import sys
import textwrap
from pathlib import Path


def command_after(comment: str, readme: str) -> str:
    """The code block that is the next thing after the comment."""
    lines = readme.splitlines()
    places = [index for index, line in enumerate(lines) if line.strip() == f".. {comment}"]
    if len(places) != 1:
        raise SystemExit(f"'.. {comment}' stands {len(places)} times in the README, not once")
    rest = "\n".join(lines[places[0] + 1 :]) + "\n"
    block = re.match(
        r"\s*\n\.\. code-block::[^\n]*\n(?:[ \t]+:[a-z-]+:[^\n]*\n)*(?:[ \t]*\n)+"
        r"((?:[ \t]+\S[^\n]*\n|[ \t]*\n)+)",
        rest,
    )
    if block is None:
        raise SystemExit(f"no code block follows '.. {comment}' in the README")
    return re.sub(r"^\$ ", "", textwrap.dedent(block[1]).strip(), flags=re.MULTILINE)


if __name__ == "__main__":
    path, words = sys.argv[1:]
    print(command_after(words, Path(path).read_text(encoding="utf-8")))
