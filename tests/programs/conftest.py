"""The one slow program is started first, and looked at last."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Generator
from dataclasses import dataclass

import pytest

from tests.support.daemon import PATIENCE, Daemon

#: As the README has it.  Not so light, nmap tries for minutes what else it knows.
SERVICE_SCAN = "nmap -sV --version-light -p 9000 localhost"


#: What looks at it, and therefore waits for it.
_LAST = ("test_scanners.py", "test_readme.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the scan go on while everything else is tested."""
    items.sort(key=lambda item: item.path.name in _LAST)


@dataclass
class ServiceScan:
    """nmap finding out what listens; it waits five seconds after each of its guesses."""

    daemon: Daemon
    process: subprocess.Popen[str]

    def output(self) -> str:
        """What it says in the end."""
        output, _ = self.process.communicate(timeout=PATIENCE)
        return output


@pytest.fixture(scope="session", autouse=True)
def service_scan(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServiceScan]:
    """It goes on beside the other tests of this directory."""
    with Daemon(tmp_path_factory.mktemp("scan") / "root") as daemon:
        process = subprocess.Popen(
            SERVICE_SCAN.replace("9000", str(daemon.port)).split(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        yield ServiceScan(daemon, process)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.communicate()
