"""What the daemon logs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.logs import Log, collecting


@pytest.fixture
def log() -> Iterator[Log]:
    with collecting() as found:
        yield found
