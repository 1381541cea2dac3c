"""The configuration file: what it sets, and what is said of what is wrong in it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from filesrv.service import Options
from filesrv.service.options import GROUPS, check_config
from filesrv.service.options.example import example_of
from tests.support.daemon import Daemon, environment, program

DOCS = Path(__file__).parents[2] / "docs"

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file that is called C{f.toml} where the test runs."""
    monkeypatch.chdir(tmp_path)

    def written(text: str) -> Path:
        path = tmp_path / "f.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def parsed(*words: str) -> Options:
    options = Options()
    options.parseOptions(["--config", "f.toml", *words])
    return options


def test_the_file_sets_what_the_command_line_does_not(write: Write, tmp_path: Path) -> None:
    write("""
        [serving]
        root = "kept"
        no-overwrite = true
        port = [9001, "tcp:9002:interface=127.0.0.1"]
        [going-on]
        dead-after = 20
        stall-timeout = 60.5
    """)
    options = parsed("--stall-timeout", "30", "--port", "9003")

    assert options["root"] == str(tmp_path / "kept")
    assert options["no-overwrite"]
    assert options["dead-after"] == 20.0
    assert options["keep-partials"] == 7.0
    assert (options["stall-timeout"], options["port"]) == (30.0, ["9003"])
    assert parsed()["port"] == ["9001", "tcp:9002:interface=127.0.0.1"]


def test_one_value_will_do_for_an_option_that_may_have_more(write: Write) -> None:
    write("serving.port = 9001")
    assert parsed()["port"] == ["9001"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[serving]\nprot = 1", "2: there is no prot in [serving]; "),
        ("\n[servin]\na = 1", "2: there is no table [servin]; serving was meant?"),
        ("port = 1", "1: port belongs into the table [serving]"),
        ("[serving]\n\nkeep-partials = 1", "3: keep-partials belongs into the table [going-on]"),
        ("serving = 1", "1: there is no table [serving]"),
        ("[serving]\nconfig = 'f'", "2: there is no config in [serving]"),
        ("[serving]\nno-overwrite = 'yes'", "2: no-overwrite takes true or false, not a text"),
        ("[going-on]\ndead-after = true", "2: dead-after takes a number, not true"),
        ("[going-on]\ndead-after = 1979-05-27", "2: dead-after takes a number, not a time"),
        ("[going-on]\ndead-after = 301", "2: dead-after takes a number from 10 to 300, not 301"),
        ("[going-on]\ndead-after = nan", "2: dead-after takes a number from 10 to 300, not nan"),
        ("[serving]\nport = [\n9000,\n'no:1']", "4: port no:1: Unknown endpoint type: 'no'"),
        ("[serving]\nport = [\n9000,\n[1]]", "4: port takes a text or a whole number, not an arr"),
        ("[small-services]\ndaytime-udp = true", "2: daytime-udp goes with --daytime"),
        ("small-services = {daytime-udp = true}", "1: daytime-udp goes with --daytime"),
        ("[serving]\nroot = '$STATE_DIRECTORY/a'", "2: root names $STATE_DIRECTORY, which syste"),
        ("[serving\n", "1: Expected ']'"),
        ("[serving]\nroot = '\n", "2: "),
        ("a = 1\n\na = 2", "3: "),
        ("a =", "1: Invalid value"),
    ],
)
def test_a_fault_is_said_with_its_line(
    write: Write, monkeypatch: pytest.MonkeyPatch, text: str, fault: str
) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    write(text)

    [found] = check_config("f.toml")
    assert found.startswith(f"f.toml:{fault}")


def test_all_faults_are_said_at_once_in_the_order_of_the_file(write: Write) -> None:
    write("[going-on]\ndead-after = 1\nx = 1\n[small-services]\ndaytime = 70000\n[y]\n")
    faults = [fault.partition(" ")[0] for fault in check_config("f.toml")]

    assert faults == ["f.toml:2:", "f.toml:3:", "f.toml:5:", "f.toml:6:"]
    with pytest.raises(SystemExit) as ended:
        parsed()
    assert str(ended.value.code).count("\nfilesrv: f.toml:") == 3


def test_what_cannot_be_read_is_said(write: Write) -> None:
    write("\n\n# \N{SNOWMAN}").write_bytes(b"\n\n\xff")

    assert check_config("f.toml") == ["f.toml:3: this is not UTF-8"]
    assert check_config("none.toml") == ["none.toml: No such file or directory"]


def test_directories_of_systemd_are_found_in_paths(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/filesrv.service")
    write("[serving]\nroot = '$CREDENTIALS_DIRECTORY/x'")
    assert parsed()["root"] == "/run/credentials/filesrv.service/x"
    passwords = tmp_path / "passwd"
    passwords.touch()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    write("access.auth = 'file:$CREDENTIALS_DIRECTORY/passwd'")
    assert parsed()["auth"] == [f"file:{passwords}"]
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/filesrv.service")
    write("[serving]\nroot = '${CREDENTIALS_DIRECTORY}'")
    assert parsed()["root"] == "/run/credentials/filesrv.service"


class TestExample:
    def test_the_documented_file_is_what_the_daemon_shows(self) -> None:
        written = (DOCS / "filesrv.toml").read_text(encoding="utf-8")
        # twistd filesrv --example-config > docs/filesrv.toml
        assert written == example_of(GROUPS) + "\n"

    def test_it_says_the_defaults(self, write: Write, tmp_path: Path) -> None:
        text = (DOCS / "filesrv.toml").read_text(encoding="utf-8")
        assert check_config(str(DOCS / "filesrv.toml")) == []
        defaults = Options()
        defaults.parseOptions([])
        lines = text.replace('"DIR"', '"filesrv-files"').splitlines()
        known = {f"#{o.name} =": o for group in GROUPS for o in group.options if o.in_file}
        shown = {option for start, option in known.items() if f"\n{start}" in text}
        assert shown == set(known.values())
        for start, option in known.items():
            if option.default is not None:
                write("\n".join(x[1:] if x.startswith(start) else x for x in lines))
                assert parsed()[option.name] == defaults[option.name], option.name


class TestTwistd:
    def test_the_check_says_all_faults_and_ends_with_its_verdict(self, write: Write) -> None:
        def check(text: str) -> tuple[int, list[str]]:
            write(text)
            command = [program("twistd"), "-n", "filesrv", "--config", "f.toml", "--check"]
            done = subprocess.run(
                command, capture_output=True, text=True, env=environment(), check=False
            )
            assert done.stderr == ""
            return done.returncode, done.stdout.splitlines()

        assert check("[serving]\nport = 9001\n") == (0, ["nothing is wrong with the options"])
        status, said = check("[serving]\nport = 'x'\n[going-on]\nx = 1\n")
        assert status == 1
        assert [line.partition(" ")[0] for line in said] == ["f.toml:2:", "f.toml:4:"]

    def test_it_serves_as_its_file_says(self, write: Write, tmp_path: Path) -> None:
        path = write("""
            [serving]
            port = "tcp:0:interface=127.0.0.1"
            root = "from-the-file"
            no-overwrite = true
        """)
        root = tmp_path / "from-the-file"
        with Daemon(root, f"--config={path}", ports=(), name_root=False) as daemon:
            assert daemon.addresses
            assert daemon.state.is_dir()
            daemon.wait_for_log(f"serving {root}")
