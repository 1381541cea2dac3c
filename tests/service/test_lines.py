"""On which line of a TOML file a key stands."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from filesrv.service.options.lines import lines_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = '''\
# [no] table = 1
top = """
fake = 1
[fake]
\\""" still""" # comment
[ serving ]
port = [
  9000, # nine

  "tcp:[1]=,#", '"x'
]
"quoted key" = 1
a.b = 1.5
t = { x = 1, y = [1, 2] }
literal = \'\'\'
fake = 2
\'\'\'
[[many]]
when = 2024-01-01T00:00:00Z
last = 1'''


def test_keys_tables_and_elements_are_found_and_what_texts_hold_is_not() -> None:
    assert set(tomllib.loads(FILE)) == {"top", "serving", "many"}
    assert lines_of(FILE) == {
        ("top",): [2],
        ("serving",): [6],
        ("serving", "port"): [7, 8, 10, 10],
        ("serving", "quoted key"): [12],
        ("serving", "a", "b"): [13],
        ("serving", "t"): [14],
        ("serving", "literal"): [15],
        ("many",): [18],
        ("many", "when"): [19],
        ("many", "last"): [20],
    }


def test_line_ends_of_other_systems_count_once() -> None:
    assert lines_of(FILE.replace("\n", "\r\n")) == lines_of(FILE)


VALUES = st.sampled_from(
    ["1", "true", '"a"', "'[x'", '"""\n\n"""', "[\n1,\n2]", "{a = 1}", '"#"', '"\\""', "[[1], []]"]
)


@given(st.lists(st.tuples(VALUES, st.sampled_from(["", " # c", "\n", "\n# x = 1"]))))
def test_each_key_of_a_valid_file_is_on_the_line_that_it_is_on(
    values: list[tuple[str, str]],
) -> None:
    text, lines = "", {}
    for index, (value, end) in enumerate(values):
        lines[f"k{index}"] = text.count("\n") + 1
        text += f"k{index} = {value}{end}\n"

    assert set(tomllib.loads(text)) == set(lines)
    assert {key: found[0] for (key, *_), found in lines_of(text).items()} == lines
