"""What the client's tests share."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.client.network import Network


@pytest.fixture
def network(tmp_path: Path) -> Generator[Network]:
    """A network with one server that has nothing yet."""
    made = Network(tmp_path / "server")
    yield made
    made.close()
