"""Long work between threads and the loop: it waits for places, and does not wait for ever for a service."""

from __future__ import annotations

import asyncio
import time
from typing import cast

import pytest

from precordia.errors import Cancelled, Overloaded, ServiceUnavailable
from precordia.operations import OperationContext
from services.inference import bridge
from services.inference.bridge import LoopBridge


class Waiting:
    """The part of a context that the bridge asks; called off after so many waits."""

    def __init__(self, patience: int = 1000) -> None:
        self.waits: list[float] = []
        self._patience = patience

    def check(self) -> None:
        pass

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        if len(self.waits) > self._patience:
            raise Cancelled("Called off.")
        time.sleep(min(seconds, 0.002))


async def asked(context: Waiting, refusals: list[Exception]) -> str:
    """What a worker thread hears from work that is refused so often."""
    made = LoopBridge()
    made.attach()

    async def work() -> str:
        if refusals:
            raise refusals.pop()
        return "done"

    return await asyncio.to_thread(made.call, cast(OperationContext, context), work)


async def test_a_full_queue_is_waited_for_however_long_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "_PATIENCE_S", 0.01)
    context = Waiting()
    assert await asked(context, [Overloaded("full", retry_after_s=0.25) for _ in range(40)]) == "done"
    assert context.waits == [0.25] * 40


async def test_work_that_waits_for_places_can_be_called_off() -> None:
    with pytest.raises(Cancelled):
        await asked(Waiting(patience=3), [Overloaded("full", retry_after_s=0.25) for _ in range(40)])


async def test_a_service_that_stays_away_ends_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "_PATIENCE_S", 0.01)
    with pytest.raises(ServiceUnavailable):
        await asked(Waiting(), [ServiceUnavailable("away", service="registry") for _ in range(400)])
