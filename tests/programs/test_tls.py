"""The real daemon and the real command under TLS."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon import LOOPBACK, Daemon, environment, program
from tests.support.tls import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def secured(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    pair = authority.pair()
    options = (
        f"--certificate={pair.certificate}",
        f"--key={pair.key}",
        f"--client-ca={authority.file}",
    )
    root = tmp_path_factory.mktemp("secured") / "root"
    with Daemon(root, *options, ports=[LOOPBACK, f"tls:{LOOPBACK}"]) as daemon:
        yield daemon


def pin(daemon: Daemon) -> str:
    return daemon.wait_for_log("the key for TLS is ").rpartition(" ")[2]


def filesrv(place: Path, server: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("filesrv"), "--server", server, *words],
        cwd=place,
        env=environment(XDG_STATE_HOME=str(place / "state")),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_files_go_both_ways_between_the_command_and_the_daemon(
    secured: Daemon, authority: Authority, tmp_path: Path
) -> None:
    plain, tls = secured.addresses
    (tmp_path / "there").write_bytes(os.urandom(3_000_000))
    up = filesrv(tmp_path, plain, "--ca", str(authority.file), "upload", "there")
    assert up.returncode == 0, up.stderr
    down = filesrv(tmp_path, f"tls://{tls}", "--pin", pin(secured), "download", "there", "-o", "b")
    assert down.returncode == 0, down.stderr
    assert (tmp_path / "there").read_bytes() == (tmp_path / "b").read_bytes()
    assert "under TLSv1.3" in secured.log
    assert "connected, TLSv1.3" in secured.log


@pytest.mark.parametrize("place", [0, 1])
def test_a_server_that_nobody_has_vouched_for_is_refused_with_its_pin(
    secured: Daemon, tmp_path: Path, place: int
) -> None:
    server = f"{'tls://' * place}{secured.addresses[place]}"
    found = filesrv(tmp_path, server, "--tls", "list")
    assert found.returncode == 1
    assert found.stderr.count("\n") == 1
    assert f"its key is {pin(secured)}" in found.stderr
    other = filesrv(tmp_path, server, "--pin", "00" * 32, "list")
    assert other.returncode == 1
    assert "not the key that was pinned" in other.stderr


def test_a_client_is_who_its_certificate_says(
    secured: Daemon, authority: Authority, tmp_path: Path
) -> None:
    own = authority.pair("ada", file="ada")
    words = ("--ca", str(authority.file), "--cert", str(own.certificate), "--key", str(own.key))
    assert filesrv(tmp_path, secured.addresses[0], *words, "list").returncode == 0
    assert "ada" in secured.wait_for_log("logged in by certificate")


def test_a_session_can_be_piped_into_openssl(secured: Daemon) -> None:
    found = subprocess.run(
        ["openssl", "s_client", "-quiet", "-connect", secured.addresses[1]],
        input="ECHO by hand\nQUIT\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert found.stdout.splitlines()[1:] == ["by hand", "OK bye"]


def test_on_sighup_the_certificate_is_read_again(tmp_path: Path) -> None:
    old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new")
    pair = old.pair()
    options = f"--certificate={pair.certificate}", f"--key={pair.key}"
    with Daemon(tmp_path / "root", *options) as daemon:
        pair.certificate.write_text("broken")
        os.kill(daemon.pid, signal.SIGHUP)
        daemon.wait_for_log("certificates stay as they were: ")
        words = ("--ca", str(old.file), "list")
        assert filesrv(tmp_path, daemon.addresses[0], *words).returncode == 0
        replacement = new.pair()
        pair.certificate.write_bytes(replacement.certificate.read_bytes())
        pair.key.write_bytes(replacement.key.read_bytes())
        os.kill(daemon.pid, signal.SIGHUP)
        daemon.wait_for_log("read certificates again")
        words = ("--ca", str(new.file), "list")
        assert filesrv(tmp_path, daemon.addresses[0], *words).returncode == 0


def test_an_ssl_endpoint_of_twisted_has_files_of_its_own(
    authority: Authority, tmp_path: Path
) -> None:
    general, other = authority.pair(file="general"), Authority(tmp_path / "other")
    pair, own = other.pair(), authority.pair("ada", file="eva")
    files = f"privateKey={pair.key}:certKey={pair.certificate}"
    ports = [f"ssl:0:interface=127.0.0.1:{files}", "ssl:0:interface=127.0.0.1"]
    options = f"--certificate={general.certificate}", f"--key={general.key}"
    with Daemon(
        tmp_path / "root", *options, f"--client-ca={authority.file}", ports=ports
    ) as daemon:
        special, ordinary = daemon.addresses
        words = ("--ca", str(authority.file), "list")
        assert filesrv(tmp_path, f"tls://{ordinary}", *words).returncode == 0
        assert filesrv(tmp_path, f"tls://{special}", *words).returncode == 1
        shown = ("--ca", str(other.file), "--cert", str(own.certificate), "--key", str(own.key))
        assert filesrv(tmp_path, f"tls://{special}", *shown, "list").returncode == 0
        daemon.wait_for_log("user ada: logged in by certificate")
        replacement = authority.pair(file="replacement")
        pair.certificate.write_bytes(replacement.certificate.read_bytes())
        pair.key.write_bytes(replacement.key.read_bytes())
        os.kill(daemon.pid, signal.SIGHUP)
        daemon.wait_for_log("read certificates again", count=2)
        assert filesrv(tmp_path, f"tls://{special}", *words).returncode == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--port=tls:0",), "--port tls:0: there is no --certificate"),
        (("--port=ssl:0",), "--port ssl:0: there is no --certificate"),
        (("--port=ssl:0:privateKey=none.pem",), "none.pem: No such file"),
        (("--port=ssl:0:sslmethod=SSLv3",), "privateKey=, certKey="),
        (("--key=x",), "goes with --certificate"),
        (("--certificate=none.pem",), "none.pem: No such file"),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_line(
    tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    found = subprocess.run(
        [program("twistd"), "-n", "--pidfile=", "filesrv", *options],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert found.returncode == 1
    assert words in found.stderr
    assert found.stderr.count("\n") == 1
