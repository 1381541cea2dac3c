"""The command as it is installed, in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

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
