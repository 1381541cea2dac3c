"""The command as it is installed, in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, environment

_CODE = """
import gc, sys
from filesrv.client.start import main
status = main()
print(status, gc.isenabled(), "twisted.internet.reactor" in sys.modules)
"""


def test_a_pyopenssl_that_is_installed_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "OpenSSL").mkdir()
    (tmp_path / "OpenSSL" / "__init__.py").write_text("raise SystemExit(99)")

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{unused.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-c", _CODE, "--server", server, "list"],
            env={"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )

    assert "refused" in done.stderr
    assert done.stdout == "75 True True\n"


_MODULES = """
import sys
from types import ModuleType
from filesrv.client.start import main
status = main()
# What stands empty is of a class of its own.
print(status, *(name for name, module in sys.modules.items() if type(module) is ModuleType))
"""

#: What others need, and not who moves one file in plain text and tells nobody.
_NOT_NEEDED = {
    "argon2",
    "asyncio",
    "asyncio.base_events",
    "concurrent.futures",
    "email",
    "hashlib",
    "http.client",
    "ipaddress",
    "pickle",
    "prompt_toolkit",
    "rich",
    "secrets",
    "sqlite3",
    "ssl",
    "tempfile",
    "textwrap",
    "tokenize",
    "twisted.internet.udp",
    "twisted.internet.unix",
    "urllib.request",
    "filesrv.client.asking",
    "filesrv.client.pipes",
    "filesrv.client.progress",
    "filesrv.client.shell",
    "filesrv.client.streaming",
    "filesrv.client.trust",
    "filesrv.transfer.tls",
}

_NOT_FOR_UPLOADS = {
    "filesrv.client.downloads",
    "filesrv.client.partial",
    "filesrv.client.patterns",
    "filesrv.disk.flushing",
}
_NOT_FOR_DOWNLOADS = {"filesrv.client.uploads", "filesrv.client.journal"}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path / "root") as started:
        yield started


def test_moving_a_file_imports_no_more_than_that_takes(tmp_path: Path, daemon: Daemon) -> None:
    (tmp_path / "file").write_bytes(b"some bytes")
    unmeasured = environment(XDG_STATE_HOME=str(tmp_path / "state"))
    unmeasured.pop("COVERAGE_PROCESS_CONFIG", None)  # which imports much itself

    def modules(*words: str) -> set[str]:
        """What is imported for a command."""
        server = f"127.0.0.1:{daemon.port}"
        done = subprocess.run(
            [sys.executable, "-c", _MODULES, "--server", server, "--quiet", *words],
            env=unmeasured,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        status, *found = done.stdout.split()
        assert status == "0"
        return set(found)

    modules("list")  # which makes the token, if that is the first time
    assert modules("upload", "file") & (_NOT_NEEDED | _NOT_FOR_UPLOADS) == set()
    downloaded = modules("download", "file", "-o", "again")
    assert downloaded & (_NOT_NEEDED | _NOT_FOR_DOWNLOADS) == set()
    assert (tmp_path / "again").read_bytes() == b"some bytes"
