"""Long work: admitted once, run in bounded threads, reported without gaps, ended as it ended."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine

from precordia.errors import (
    Cancelled,
    InvalidArgument,
    ModelNotFound,
    OperationNotFound,
    RequestReused,
    ServiceUnavailable,
)
from precordia.operation import Operation, OperationEvent, OperationState
from precordia.operations import Handler, OperationContext, Operations, context

PATIENCE_S = 60
"""For what normally ends at once."""
FOR_EVER_S = 600
"""Longer than any test is patient: who waits so long was not woken."""


@contextlib.asynccontextmanager
async def running(engine: Engine, handler: Handler, **options: Any) -> AsyncIterator[Operations]:
    """Operations of the one kind "train"."""
    operations = Operations(engine, {"train": handler}, **options)
    operations.start()
    try:
        yield operations
    finally:
        await operations.close(PATIENCE_S)


async def finished(operations: Operations, operation_id: str) -> tuple[Operation, list[OperationEvent]]:
    async with asyncio.timeout(PATIENCE_S):
        events = [event async for event in operations.watch(operation_id)]
    return operations.get(operation_id), events


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


class Clock:
    """Stands for the module `time`, and goes on when it is told."""

    def __init__(self, now: float) -> None:
        self.now = now

    def monotonic(self) -> float:
        return self.now


def states(events: list[OperationEvent]) -> list[str]:
    return [event.payload["state"] for event in events if event.kind == "state"]


async def test_work_runs_and_its_result_and_events_are_kept(engine: Engine) -> None:
    def handler(context: OperationContext) -> Mapping[str, Any]:
        context.emit("epoch", {"loss": 0.5})
        return {"double": 2 * context.operation.request["value"]}

    async with running(engine, handler) as operations:
        submitted, created = operations.submit("train", {"value": 21})
        operation, events = await finished(operations, submitted.operation_id)
    assert created
    assert submitted.state is OperationState.PENDING
    assert (operation.state, operation.result, operation.attempt) == (OperationState.SUCCEEDED, {"double": 42}, 1)
    assert [event.number for event in events] == [1, 2, 3, 4]
    assert operation.last_event_number == 4
    assert events[2].payload == {"loss": 0.5}
    assert states(events) == ["pending", "running", "succeeded"]


async def test_the_same_request_id_gives_the_same_operation(engine: Engine) -> None:
    operations = Operations(engine, {"train": lambda _: {}})
    first, created = operations.submit("train", {"a": 1, "b": (2, 3)}, "9b2d")
    again, created_again = operations.submit("train", {"b": [2, 3], "a": 1}, "9b2d")
    assert (created, created_again) == (True, False)
    assert again.operation_id == first.operation_id
    with pytest.raises(RequestReused):
        operations.submit("train", {"a": 2}, "9b2d")
    assert operations.submit("train", {"a": 1})[0].operation_id != first.operation_id


async def test_one_operation_comes_of_a_request_sent_many_times_at_once(engine: Engine) -> None:
    operations = Operations(engine, {"train": lambda _: {}})
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: operations.submit("train", {"a": 1}, "once"), range(16)))
    assert len({operation.operation_id for operation, _ in answers}) == 1
    assert sum(created for _, created in answers) == 1


@pytest.mark.parametrize("request_id", ["x" * 129, "a\0b", "ü", "line\n"])
async def test_unfit_request_ids_are_refused(engine: Engine, request_id: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        Operations(engine, {"train": lambda _: {}}).submit("train", {}, request_id)
    assert refused.value.field == "request_id"


async def test_typed_failures_keep_reason_and_message(engine: Engine) -> None:
    def handler(_: OperationContext) -> Mapping[str, Any]:
        raise ModelNotFound("No model has this name")

    async with running(engine, handler) as operations:
        operation, events = await finished(operations, operations.submit("train", {})[0].operation_id)
    assert operation.state is OperationState.FAILED
    assert (operation.error_reason, operation.error_message) == ("MODEL_NOT_FOUND", "No model has this name")
    assert events[-1].payload["reason"] == "MODEL_NOT_FOUND"


async def test_faults_of_ours_tell_nothing_of_their_inside(engine: Engine) -> None:
    def handler(_: OperationContext) -> Mapping[str, Any]:
        raise RuntimeError("patient Smith in /data/smith.dcm")

    async with running(engine, handler) as operations:
        operation, events = await finished(operations, operations.submit("train", {})[0].operation_id)
    assert operation.error_reason == "INTERNAL"
    assert "Smith" not in operation.error_message + str(events)


async def test_events_have_no_gaps_when_threads_report_at_once(engine: Engine) -> None:
    def handler(context: OperationContext) -> Mapping[str, Any]:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda index: context.emit("verdict", {"index": index}), range(40)))
        return {}

    async with running(engine, handler) as operations:
        _, events = await finished(operations, operations.submit("train", {})[0].operation_id)
    assert [event.number for event in events] == list(range(1, 44))
    assert sorted(event.payload["index"] for event in events if event.kind == "verdict") == list(range(40))


async def test_every_watcher_sees_every_event_once_whenever_it_joins(engine: Engine) -> None:
    def handler(context: OperationContext) -> Mapping[str, Any]:
        for index in range(30):
            context.emit("verdict", {"index": index})
        return {}

    async with running(engine, handler) as operations:
        operation_id = operations.submit("train", {})[0].operation_id

        async def numbers(delay_s: float, after: int) -> list[int]:
            await asyncio.sleep(delay_s)
            return [event.number async for event in operations.watch(operation_id, after)]

        async with asyncio.timeout(PATIENCE_S):
            seen = await asyncio.gather(*(numbers(0.02 * index, index) for index in range(10)))
    assert seen == [list(range(index + 1, 34)) for index in range(10)]


async def test_idle_watchers_cost_no_thread(engine: Engine) -> None:
    begun, go = threading.Event(), threading.Event()

    def handler(_: OperationContext) -> Mapping[str, Any]:
        begun.set()
        go.wait(FOR_EVER_S)
        return {}

    async with running(engine, handler) as operations:
        operation_id = operations.submit("train", {})[0].operation_id
        await until(begun.is_set)
        before = threading.active_count()
        watches = [asyncio.create_task(finished(operations, operation_id)) for _ in range(100)]
        await asyncio.sleep(0.5)
        threads = threading.active_count()
        go.set()
        ends = await asyncio.gather(*watches)
    assert threads - before <= 32  # the event loop's own bounded few that read the database; not one a watcher
    assert {states(events)[-1] for _, events in ends} == {"succeeded"}


async def test_watching_past_the_end_ends_and_watching_nothing_is_refused(engine: Engine) -> None:
    async with running(engine, lambda _: {}) as operations:
        operation_id = operations.submit("train", {})[0].operation_id
        await finished(operations, operation_id)
        assert [event async for event in operations.watch(operation_id, 2**64 - 1)] == []
        for unknown in ("", "none", "a\0b", "00000000-0000-0000-0000-000000000000"):
            with pytest.raises(OperationNotFound):
                await anext(operations.watch(unknown))


async def test_progress_is_throttled_and_its_last_word_is_kept(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(100.0)
    monkeypatch.setattr(context, "time", clock)

    def handler(context: OperationContext) -> Mapping[str, Any]:
        for done in range(1, 501):
            context.progress(done, 1000)
            clock.now += 0.002  # a second for all
        return {}

    async with running(engine, handler) as operations:
        operation, events = await finished(operations, operations.submit("train", {})[0].operation_id)
    reports = [event.payload["done"] for event in events if event.kind == "progress"]
    assert (operation.done, operation.total) == (500, 1000)
    assert reports[-1] == 500
    assert len(reports) == 3
    assert reports == sorted(set(reports))


async def test_work_that_waits_is_cancelled_at_once(engine: Engine) -> None:
    operations = Operations(engine, {"train": lambda _: {}})
    operation_id = operations.submit("train", {})[0].operation_id
    assert operations.cancel(operation_id).state is OperationState.CANCELLED
    assert operations.cancel(operation_id).state is OperationState.CANCELLED
    _, events = await finished(operations, operation_id)
    assert states(events) == ["pending", "cancelled"]
    operations.start()
    await asyncio.sleep(0.2)
    await operations.close(PATIENCE_S)
    assert operations.get(operation_id).attempt == 0


async def test_work_in_progress_is_cancelled_at_its_next_safe_point_and_keeps_what_it_has(engine: Engine) -> None:
    begun = threading.Event()

    def handler(context: OperationContext) -> Mapping[str, Any]:
        context.keep_result({"imported": 7})
        begun.set()
        while True:
            context.wait(FOR_EVER_S)

    async with running(engine, handler) as operations:
        operation_id = operations.submit("train", {})[0].operation_id
        await until(begun.is_set)
        operations.cancel(operation_id)
        operation, events = await finished(operations, operation_id)
    assert (operation.state, operation.result) == (OperationState.CANCELLED, {"imported": 7})
    assert states(events)[-1] == "cancelled"


async def test_a_cancel_from_another_process_arrives_with_the_lease(engine: Engine) -> None:
    def handler(context: OperationContext) -> Mapping[str, Any]:
        while True:
            context.wait(FOR_EVER_S)

    async with running(engine, handler, lease_s=3) as operations:
        operation_id = operations.submit("train", {})[0].operation_id
        await until(lambda: operations.get(operation_id).state is OperationState.RUNNING)
        Operations(engine, {"train": handler}).cancel(operation_id)
        operation, _ = await finished(operations, operation_id)
    assert operation.state is OperationState.CANCELLED


async def test_a_cancelled_call_of_somebody_else_is_a_failure(engine: Engine) -> None:
    def handler(_: OperationContext) -> Mapping[str, Any]:
        raise Cancelled("the registry hung up")

    async with running(engine, handler) as operations:
        operation, _ = await finished(operations, operations.submit("train", {})[0].operation_id)
    assert (operation.state, operation.error_reason) == (OperationState.FAILED, "CANCELLED")


async def test_no_more_than_the_allowed_number_of_a_kind_runs_at_once(engine: Engine) -> None:
    most, now, lock = 0, 0, threading.Lock()
    pair = threading.Barrier(2)  # each waits for a second one beside it

    def handler(_: OperationContext) -> Mapping[str, Any]:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        pair.wait(PATIENCE_S)
        with lock:
            now -= 1
        return {}

    async with running(engine, handler, workers={"train": 2}) as operations:
        submitted = [operations.submit("train", {})[0].operation_id for _ in range(6)]
        for operation_id in submitted:
            assert (await finished(operations, operation_id))[0].state is OperationState.SUCCEEDED
    assert most == 2


async def test_a_service_that_drains_puts_work_back_and_the_next_resumes_it(engine: Engine) -> None:
    saved = threading.Event()

    def handler(context: OperationContext) -> Mapping[str, Any]:
        epoch = (context.state or {"epoch": 0})["epoch"]
        context.save_state({"epoch": epoch + 3})
        saved.set()
        while epoch == 0:
            context.wait(FOR_EVER_S)
        return {"resumed_at": epoch}

    async with running(engine, handler) as operations:
        operation_id = operations.submit("train", {})[0].operation_id
        await until(saved.is_set)
        watch = operations.watch(operation_id)
        seen = [await anext(watch), await anext(watch)]
        await operations.close(PATIENCE_S)
        seen.append(await anext(watch))
        with pytest.raises(ServiceUnavailable):
            await anext(watch)
        assert operations.get(operation_id).state is OperationState.PENDING
    async with running(engine, handler) as operations:
        operation, events = await finished(operations, operation_id)
    assert (operation.state, operation.result, operation.attempt) == (OperationState.SUCCEEDED, {"resumed_at": 3}, 2)
    assert states(events) == ["pending", "running", "pending", "running", "succeeded"]
    assert states(seen) == ["pending", "running", "pending"]


async def test_lists_page_newest_first(engine: Engine) -> None:
    operations = Operations(engine, {"train": lambda _: {}, "import": lambda _: {}})
    made = [operations.submit(kind, {"index": index})[0] for index, kind in enumerate(["train", "import"] * 3)]
    first, token = operations.list(page_size=4)
    rest, end = operations.list(page_size=4, page_token=token)
    assert [operation.request["index"] for operation in first + rest] == [5, 4, 3, 2, 1, 0]
    assert end == ""
    assert {operation.operation_id for operation in first + rest} == {operation.operation_id for operation in made}
    assert [operation.request["index"] for operation in operations.list(kind="import")[0]] == [5, 3, 1]
    assert operations.list(kind="no\0kind") == ([], "")


@pytest.mark.parametrize(("size", "token"), [(1001, ""), (-1, ""), (1, "x"), (1, "-1"), (1, "9" * 30), (1, "²")])
async def test_unfit_pages_are_refused(engine: Engine, size: int, token: str) -> None:
    with pytest.raises(InvalidArgument):
        Operations(engine, {"train": lambda _: {}}).list(size, token)


async def test_services_that_share_a_database_see_only_their_own_kinds(engine: Engine) -> None:
    training = Operations(engine, {"train": lambda _: {}})
    importing = Operations(engine, {"import": lambda _: {}})
    operation_id = training.submit("train", {})[0].operation_id
    assert importing.list() == ([], "")
    with pytest.raises(OperationNotFound):
        importing.get(operation_id)
    with pytest.raises(InvalidArgument):
        importing.submit("train", {})


async def test_numbers_that_json_lacks_become_null_and_numpy_numbers_plain(engine: Engine) -> None:
    def handler(context: OperationContext) -> Mapping[str, Any]:
        context.emit("metric", {"auroc": float("nan"), "loss": np.float32(0.5), "n": np.int64(3)})
        return {"auroc": np.float64("inf"), 7: [np.bool_(True)]}  # type: ignore[dict-item]  # as handlers may

    async with running(engine, handler) as operations:
        operation, events = await finished(operations, operations.submit("train", {})[0].operation_id)
    assert events[2].payload == {"auroc": None, "loss": 0.5, "n": 3}
    assert operation.result == {"auroc": None, "7": [True]}
