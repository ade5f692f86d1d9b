from __future__ import annotations

import pytest

from services.inference.queueing import batching
from tests.services.inference.queueing.timed_engine import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time of all batchers."""
    made = Clock()
    monkeypatch.setattr(batching, "time", made)
    return made
