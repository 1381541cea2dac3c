"""Shell lines with the real netcat, and the real daemon."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.conversation import Conversation
from tests.support.daemon import Daemon
from tests.support.shell import shell

NC = 'nc -N localhost "$PORT"'
#: Reads greeting and reply, then as many bytes as the reply says, then what is left.
FETCH = (
    "{ read -r greeting; read -r reply; length=${reply#*length=};"
    ' head -c "${length%% *}" %s; cat; }'
)
INTO, ONTO = FETCH.replace("%s", "> fetched.bin"), FETCH.replace("%s", ">> fetched.bin")
UPLOAD = """(printf 'UPLOAD %s %d 0\\n' "$FILE" "$(stat -c %s "$FILE")"; cat "$FILE") | """ + NC


def file_of(directory: Path, size: int, name: str = "photo.bin") -> bytes:
    """Bytes that no two places have in common, with each 0x00 to 0xFF among the first."""
    content = (bytes(range(256)) + os.urandom(size))[:size]
    (directory / name).write_bytes(content)
    return content


@pytest.mark.parametrize("size", [0, 1, 256, 3_000_000])
def test_a_file_goes_up_and_comes_back_as_it_was(daemon: Daemon, tmp_path: Path, size: int) -> None:
    file_of(tmp_path, size)
    variables = {"PORT": daemon.port, "FILE": "photo.bin"}
    greeting, going, done = shell(UPLOAD, tmp_path, **variables)
    assert greeting.startswith("OK filesrv ")
    assert going == f"OK offset=0 length={size}"
    assert re.fullmatch(
        rf"OK stored=photo\.bin size={size} received={size} seconds=\d+\.\d{{3}}"
        r" bitrate=[\d.]+[kMG]?bit/s",
        done,
    )
    fetch = f"printf 'DOWNLOAD photo.bin\\n' | {NC} | {INTO} && cmp photo.bin fetched.bin"
    (done,) = shell(fetch, tmp_path, **variables)
    assert re.fullmatch(rf"OK sent={size} seconds=\d+\.\d{{3}} bitrate=[\d.]+[kMG]?bit/s", done)
    assert (daemon.root / "photo.bin").read_bytes() == (tmp_path / "fetched.bin").read_bytes()


def test_both_ends_say_how_much_went_in_which_time_at_which_rate(
    daemon: Daemon, tmp_path: Path
) -> None:
    file_of(tmp_path, 1_000_000)
    shell(UPLOAD, tmp_path, PORT=daemon.port, FILE="photo.bin")
    shell(f"printf 'DOWNLOAD photo.bin\\n' | {NC} | {INTO}", tmp_path, PORT=daemon.port)
    figures = r"1000000 bytes in \d+\.\d{3} s, [\d.]+[kMG]?bit/s, complete$"
    for what in ("upload", "download"):
        line = daemon.wait_for_log(f"{what} of photo.bin")
        assert re.search(rf"client 127\.0\.0\.1\(\d+\): {what} of photo\.bin: {figures}", line)


def test_a_large_file_survives_the_half_closed_connection_of_its_reader(
    daemon: Daemon, tmp_path: Path
) -> None:
    file_of(tmp_path, 64 * 1024 * 1024)
    line = (
        f"{UPLOAD} && printf 'DOWNLOAD photo.bin\\n' | {NC} | {INTO} && cmp photo.bin fetched.bin"
    )
    assert shell(line, tmp_path, PORT=daemon.port, FILE="photo.bin")[-1].startswith("OK sent=")


def test_commands_sent_ahead_are_all_answered_before_the_server_closes(
    daemon: Daemon, tmp_path: Path
) -> None:
    content = file_of(tmp_path, 100_000)
    line = (
        "(printf 'ECHO before\\nUPLOAD photo.bin 100000 0\\n'; cat photo.bin;"
        f" printf 'HASH photo.bin\\nECHO one\\n\\nECHO two\\nECHO never ended') | {NC}"
    )
    replies = shell(line, tmp_path, PORT=daemon.port)
    assert replies[1:3] == ["before", "OK offset=0 length=100000"]
    assert replies[3].startswith("OK stored=photo.bin ")
    assert replies[4:] == [
        f"OK sha256={hashlib.sha256(content).hexdigest()} size=100000",
        "one",
        "two",
    ]
    daemon.wait_for_log("left: closed")


def test_a_pipeline_gets_clean_lines(daemon: Daemon, tmp_path: Path) -> None:
    line = f"printf 'ECHO a\\nECHO b\\r\\n' | {NC} | tail -n +2 | od -An -c"
    assert shell(line, tmp_path, PORT=daemon.port) == [r"   a  \n   b  \r  \n"]


def test_names_with_blanks_and_directories_stand_in_quotes(daemon: Daemon, tmp_path: Path) -> None:
    file_of(tmp_path, 1000)
    line = f"""(printf 'UPLOAD "my photos/on \\\\"top\\\\".bin" 1000 0\\n'; cat photo.bin) | {NC}"""
    assert shell(line, tmp_path, PORT=daemon.port)[-1].startswith("OK stored=")
    assert (daemon.root / "my photos" / 'on "top".bin').stat().st_size == 1000
    listed = shell(f"""printf 'LIST "my photos"\\n' | {NC}""", tmp_path, PORT=daemon.port)
    assert listed[-1].endswith(r' "my photos/on \"top\".bin"')


def test_the_payload_of_a_refused_upload_is_not_read_as_commands(
    daemon: Daemon, tmp_path: Path
) -> None:
    (tmp_path / "evil").write_bytes(b"DELETE precious\n" * 1000)
    (daemon.root / "precious").write_bytes(b"!")
    line = f"(printf 'UPLOAD ../x 16000 0\\n'; cat evil; printf 'ECHO after\\n') | {NC}"
    _, refused, after = shell(line, tmp_path, PORT=daemon.port)
    assert refused.startswith("ERR BAD_NAME ")
    assert after == "after"
    assert (daemon.root / "precious").exists()


def test_a_file_that_is_not_there_is_a_line_and_no_end(daemon: Daemon, tmp_path: Path) -> None:
    line = f"printf 'DOWNLOAD none.bin\\nECHO after\\n' | {NC}"
    assert shell(line, tmp_path, PORT=daemon.port)[1:] == [
        "ERR NOT_FOUND there is no file none.bin",
        "after",
    ]


def test_an_upload_whose_input_ends_early_is_told_where_to_go_on(
    daemon: Daemon, tmp_path: Path
) -> None:
    content = file_of(tmp_path, 3_000_000)
    cut = f"(printf 'UPLOAD photo.bin 3000000 0\\n'; head -c 1000000 photo.bin) | {NC}"
    assert shell(cut, tmp_path, PORT=daemon.port)[2].startswith("ERR BAD_OFFSET stored=1000000 ")
    assert not (daemon.root / "photo.bin").exists()
    _, count, pending = shell(f"printf 'PENDING\\n' | {NC}", tmp_path, PORT=daemon.port)
    assert (count, pending.split()[:3]) == ("OK lines=1", ["upload", "1000000", "3000000"])
    rest = f"(printf 'UPLOAD photo.bin 3000000 1000000\\n'; tail -c +1000001 photo.bin) | {NC}"
    _, going, done = shell(rest, tmp_path, PORT=daemon.port)
    assert going.startswith("OK offset=1000000 length=2000000")
    assert done.startswith("OK stored=photo.bin size=3000000 received=2000000 ")
    assert (daemon.root / "photo.bin").read_bytes() == content


def test_an_upload_goes_on_after_netcat_was_killed(daemon: Daemon, tmp_path: Path) -> None:
    content = file_of(tmp_path, 3_000_000)
    netcat = subprocess.Popen(
        ["nc", "localhost", str(daemon.port)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert netcat.stdin is not None
    netcat.stdin.write(b"UPLOAD photo.bin 3000000 0\n" + content[:1_500_000])
    netcat.stdin.flush()
    with Conversation(daemon.port) as other:
        other.wait_until_stored("photo.bin", 1_500_000)
    netcat.kill()
    netcat.communicate()
    daemon.wait_for_log("left: ", count=2)
    on = (
        f"offset=$(printf 'PENDING\\n' | {NC} | awk '$1 == \"upload\" {{ print $2 }}')\n"
        "(printf 'UPLOAD photo.bin 3000000 %d\\n' \"$offset\"; tail -c +$((offset + 1)) photo.bin)"
        f" | {NC}"
    )
    _, going, done = shell(on, tmp_path, PORT=daemon.port)
    assert going.startswith("OK offset=1500000 length=1500000")
    assert done.startswith("OK stored=photo.bin size=3000000 received=1500000 ")
    assert (daemon.root / "photo.bin").read_bytes() == content


def test_a_download_goes_on_from_the_size_of_what_is_here(daemon: Daemon, tmp_path: Path) -> None:
    file_of(tmp_path, 3_000_000)
    line = (
        f"{UPLOAD} > /dev/null\n"
        f"printf 'DOWNLOAD photo.bin\\n' | {NC} |"
        " { read -r greeting; read -r reply; head -c 1234567 > fetched.bin; }\n"
        f"printf 'DOWNLOAD photo.bin %d\\n' \"$(stat -c %s fetched.bin)\" | {NC} | {ONTO}\n"
        "cmp photo.bin fetched.bin"
    )
    (done,) = shell(line, tmp_path, PORT=daemon.port, FILE="photo.bin")
    assert done.startswith("OK sent=1765433 ")


def test_resume_goes_on_from_what_the_server_counted(daemon: Daemon, tmp_path: Path) -> None:
    size = 50_000_000
    content = file_of(tmp_path, size)
    cut = (
        f"{UPLOAD} > /dev/null\n"
        f"printf 'DOWNLOAD photo.bin\\n' | {NC} |"
        " { read -r greeting; read -r reply; head -c 1000000 > fetched.bin; }"
    )
    shell(cut, tmp_path, PORT=daemon.port, FILE="photo.bin")
    assert "reset" in daemon.wait_for_log("left: ", count=2)
    into = INTO.replace("; head", "; echo $reply; head")
    on = f"printf 'DOWNLOAD photo.bin resume\\n' | {NC} | {into}"
    reply, done = shell(on, tmp_path, PORT=daemon.port)
    match = re.match(rf"OK offset=(\d+) length=(\d+) size={size} ", reply)
    assert match is not None
    offset, length = int(match[1]), int(match[2])
    assert 1_000_000 <= offset < size
    assert offset + length == size
    assert (tmp_path / "fetched.bin").read_bytes() == content[offset:]
    assert done.startswith(f"OK sent={length} ")


def test_unfinished_transfers_are_those_of_one_client(daemon: Daemon, tmp_path: Path) -> None:
    token = "HELLO abcdefghijklmnop\\n"
    file_of(tmp_path, 1000)
    cut = f"(printf '{token}UPLOAD photo.bin 1000 0\\n'; head -c 400 photo.bin) | {NC}"
    shell(cut, tmp_path, PORT=daemon.port)
    mine = shell(f"printf '{token}PENDING\\n' | {NC}", tmp_path, PORT=daemon.port)
    assert mine[2] == "OK lines=1"
    others = shell(f"printf 'PENDING\\n' | {NC}", tmp_path, PORT=daemon.port)
    assert others[1] == "OK lines=0"
    refused = shell(f"printf 'UPLOAD photo.bin 1000 400\\n' | {NC}", tmp_path, PORT=daemon.port)
    assert refused[1].startswith("ERR BAD_OFFSET stored=0 ")


def test_the_log_says_who_comes_who_goes_and_why(daemon: Daemon, tmp_path: Path) -> None:
    shell(f"printf 'QUIT\\n' | {NC}", tmp_path, PORT=daemon.port)
    line = daemon.wait_for_log("connected")
    match = re.search(r"client (127\.0\.0\.1\(\d+\)) connected$", line)
    assert match is not None
    assert daemon.wait_for_log("left: ").endswith(f"client {match[1]} left: closed")
    with Conversation(daemon.port) as other:
        assert other.ask("ECHO well") == "well"
