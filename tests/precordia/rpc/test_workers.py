"""Blocking work runs in bounded threads, and is dropped when nobody waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import weakref
from collections.abc import Iterator

import numpy as np
import pytest

from precordia.errors import DeadlineExceeded, Overloaded
from precordia.rpc.chunks import iterate_in_worker, split
from precordia.rpc.deadline import check_deadline, remaining_s, set_remaining_s
from precordia.rpc.request_id import adopt_request_id, current_request_id
from precordia.rpc.workers import WorkerPool, in_worker, process_pool


async def test_work_leaves_the_event_loops_thread_and_takes_the_context_along() -> None:
    adopt_request_id("call-1")
    thread, request_id = await in_worker(lambda: (threading.current_thread().name, current_request_id()))
    assert thread.startswith("precordia-worker")
    assert request_id == "call-1"


async def test_errors_come_back_as_they_are() -> None:
    with pytest.raises(ZeroDivisionError):
        await in_worker(divmod, 1, 0)


async def test_what_failed_work_held_goes_with_its_error() -> None:
    held: list[weakref.ref[np.ndarray]] = []

    def fail() -> None:
        values = np.zeros(8)
        held.append(weakref.ref(values))
        raise ValueError(values.size)

    pool = WorkerPool(threads=1, waiting=1)
    gc.disable()
    try:
        with contextlib.suppress(ValueError):
            await pool.run(fail)
        await pool.run(int)  # by now the only thread has let go of the first
        assert held[0]() is None
    finally:
        gc.enable()


async def test_too_much_waiting_is_overload() -> None:
    pool, release = WorkerPool(threads=1, waiting=1), threading.Event()
    admitted = [asyncio.create_task(pool.run(release.wait)) for _ in range(2)]
    await asyncio.sleep(0.05)
    with pytest.raises(Overloaded) as refused:
        await pool.run(release.wait)
    assert refused.value.retry_after_s == 1
    assert pool.busy
    release.set()
    assert await asyncio.gather(*admitted) == [True, True]
    assert await pool.run(lambda: 7) == 7


async def test_work_that_waited_past_its_deadline_never_begins() -> None:
    pool, release, begun = WorkerPool(threads=1, waiting=4), threading.Event(), threading.Event()
    first = asyncio.create_task(pool.run(release.wait))
    await asyncio.sleep(0.05)

    async def late() -> None:
        set_remaining_s(0.05)
        await pool.run(begun.set)

    waiting = asyncio.create_task(late())
    await asyncio.sleep(0.1)
    release.set()
    with pytest.raises(DeadlineExceeded):
        await waiting
    await first
    assert not begun.is_set()


async def test_work_whose_caller_left_the_queue_never_begins() -> None:
    pool, release, begun = WorkerPool(threads=1, waiting=4), threading.Event(), threading.Event()
    first = asyncio.create_task(pool.run(release.wait))
    waiting = asyncio.create_task(pool.run(begun.set))
    await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.sleep(0)
    release.set()
    await first
    assert await pool.run(lambda: 7) == 7
    assert not begun.is_set()


async def test_the_process_pool_is_idle_when_all_is_done() -> None:
    await in_worker(sum, [1, 2])
    async with asyncio.timeout(60):
        while process_pool().busy:  # with what another test left behind
            await asyncio.sleep(0.01)


def test_deadlines_count_down_to_zero() -> None:
    set_remaining_s(None)
    assert remaining_s() is None
    check_deadline()
    set_remaining_s(-1)
    assert remaining_s() == 0
    with pytest.raises(DeadlineExceeded):
        check_deadline()
    set_remaining_s(None)


def test_bytes_are_cut_in_order() -> None:
    assert list(split(b"abcde", 2)) == [b"ab", b"cd", b"e"]
    assert list(split(b"")) == []
    assert [len(chunk) for chunk in split(bytes(2_500_000))] == [1 << 20, 1 << 20, 402_848]


async def test_blocking_iterables_are_read_in_workers_and_closed_when_left() -> None:
    threads, closed = [], threading.Event()

    def blocking() -> Iterator[int]:
        try:
            for index in range(10):
                threads.append(threading.current_thread().name)
                yield index
        finally:
            closed.set()

    items = iterate_in_worker(blocking())
    assert [await anext(items), await anext(items)] == [0, 1]
    await items.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert closed.is_set()
    assert all(name.startswith("precordia-worker") for name in threads)
    assert [item async for item in iterate_in_worker([1, 2])] == [1, 2]
