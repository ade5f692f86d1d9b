"""Bounded queues: what is beyond is refused, who waits knows the place, whoever is called off makes room."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import Engine

from precordia.errors import Overloaded
from precordia.operation import OperationEvent, OperationState
from precordia.operations import OperationContext, Operations
from precordia.operations import operations as operations_module
from precordia.rpc.status import to_status
from tests.precordia.operations.test_operations import FOR_EVER_S, PATIENCE_S, finished, running, until


class Gate:
    """Work that ends when it is let go, one at a time."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.go = threading.Semaphore(0)

    def __call__(self, context: OperationContext) -> Mapping[str, Any]:
        self.begun.append(context.operation.request["number"])
        while not self.go.acquire(timeout=0.01):
            context.check()
        return {}


def places(events: list[OperationEvent]) -> list[int]:
    return [event.payload["position"] for event in events if event.kind == "queue"]


async def test_what_does_not_fit_the_queue_is_refused_and_told_when_to_come_back(engine: Engine) -> None:
    gate = Gate()
    async with running(engine, gate, workers=1, waiting={"train": 2}) as operations:
        admitted = [operations.submit("train", {"number": number}, f"request {number}")[0] for number in range(3)]
        with pytest.raises(Overloaded, match="2 wait already") as refused:
            operations.submit("train", {"number": 3})
        again, created = operations.submit("train", {"number": 2}, "request 2")
        assert (again.operation_id, created) == (admitted[2].operation_id, False)
        assert refused.value.retry_after_s == 30
        assert any("RetryInfo" in part.type_url for part in to_status(refused.value).details)

        gate.go.release()
        done, _ = await finished(operations, admitted[0].operation_id)
        assert done.state is OperationState.SUCCEEDED
        last, _ = operations.submit("train", {"number": 3})
        gate.go.release(3)
        await finished(operations, last.operation_id)
        assert gate.begun == [0, 1, 2, 3]


async def test_who_waits_is_told_the_place_whenever_it_changes(engine: Engine) -> None:
    gate = Gate()
    async with running(engine, gate, workers=1, waiting={"train": 10}) as operations:
        first, second, third, fourth = (operations.submit("train", {"number": n})[0].operation_id for n in range(4))
        await until(lambda: gate.begun == [0])
        assert operations.cancel(second).state is OperationState.CANCELLED
        gate.go.release(3)
        heard = {one: await finished(operations, one) for one in (first, third, fourth)}
    assert places(heard[first][1]) == []
    assert places(heard[third][1])[-1] == 1
    assert places(heard[fourth][1])[-2:] == [2, 1]
    for _, events in heard.values():
        assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert gate.begun == [0, 2, 3]


async def test_a_watcher_hears_of_a_better_place_at_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations_module, "_WATCH_POLL_S", FOR_EVER_S)  # it looks when it is called, or never
    gate = Gate()
    async with running(engine, gate, workers=1, waiting={"train": 10}) as operations:
        operations.submit("train", {"number": 0})
        await until(lambda: gate.begun == [0])
        second, third = (operations.submit("train", {"number": number})[0].operation_id for number in (1, 2))
        heard: list[int] = []
        async with asyncio.timeout(PATIENCE_S):
            async for event in operations.watch(third):
                heard += places([event])
                if heard == [2]:
                    operations.cancel(second)
                if heard == [2, 1]:
                    break
        gate.go.release(2)
        await finished(operations, third)


async def test_without_room_to_wait_only_what_runs_is_taken(engine: Engine) -> None:
    gate = Gate()
    async with running(engine, gate, workers=2, waiting={"train": 0}) as operations:
        taken = [operations.submit("train", {"number": number})[0].operation_id for number in range(2)]
        with pytest.raises(Overloaded):
            operations.submit("train", {"number": 2})
        gate.go.release(2)
        for operation_id in taken:
            await finished(operations, operation_id)


async def test_kinds_without_a_bound_have_no_queue(engine: Engine) -> None:
    operations = Operations(engine, {"train": Gate()}, workers=1)
    for number in range(5):
        operation, _ = operations.submit("train", {"number": number})
        assert operation.last_event_number == 1
