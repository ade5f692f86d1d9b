"""The batcher, driven by an engine whose time is known: a + b * n."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from precordia.errors import (
    DeadlineExceeded,
    InternalError,
    InvalidModel,
    Overloaded,
    PrecordiaError,
    ServiceUnavailable,
    TooLarge,
)
from precordia.prediction import Priority
from services.inference.batching import Batcher, BatchPolicy


class TimedEngine:
    """Answers each number with its square, after a + b * n seconds; can be held at a gate."""

    def __init__(self, a: float = 0.0, b: float = 0.0) -> None:
        self.a, self.b = a, b
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)

    def __call__(self, jobs: Sequence[int]) -> Sequence[int | PrecordiaError]:
        self.batches.append(list(jobs))
        self.entered.release()
        self.gate.wait(10)
        if self.a or self.b:
            time.sleep(self.a + self.b * len(jobs))
        return [InvalidModel("negative") if job < 0 else job * job for job in jobs]

    def hold(self) -> None:
        self.gate.clear()

    @property
    def order(self) -> list[int]:
        return [job for batch in self.batches for job in batch]


@contextmanager
def batcher(engine: TimedEngine, **policy: float) -> Iterator[Batcher[int, int]]:
    made: Batcher[int, int] = Batcher(engine, BatchPolicy(**policy))  # type: ignore[arg-type]  # numbers by name
    try:
        yield made
    finally:
        engine.gate.set()
        made.close(timeout_s=10)


@contextmanager
def held(engine: TimedEngine, **policy: float) -> Iterator[Batcher[int, int]]:
    """A batcher whose only worker is busy with job 0, so that what follows queues."""
    engine.hold()
    with batcher(engine, **policy) as made:
        made.submit([0])
        assert engine.entered.acquire(timeout=5)
        yield made


def test_each_answer_goes_to_its_own_future() -> None:
    with batcher(TimedEngine(), max_batch=4) as made:
        futures = made.submit(list(range(20)))
        assert [future.result(5) for future in futures] == [n * n for n in range(20)]
    assert made.counts.executed == 20


def test_stat_goes_before_routine_before_background_and_fifo_within() -> None:
    engine = TimedEngine()
    with held(engine) as made:
        made.submit([31, 32], priority=Priority.BACKGROUND)
        made.submit([21, 22], priority=Priority.ROUTINE)
        made.submit([11, 12], priority=Priority.STAT)
        last = made.submit([33], priority=Priority.BACKGROUND)
        engine.gate.set()
        last[0].result(5)
    assert engine.order == [0, 11, 12, 21, 22, 31, 32, 33]


def test_a_class_that_is_passed_over_long_enough_gets_its_turn() -> None:
    engine = TimedEngine()
    with held(engine, patience=4) as made:
        background = made.submit([99], priority=Priority.BACKGROUND)
        made.submit(list(range(1, 21)), priority=Priority.STAT)
        engine.gate.set()
        background[0].result(5)
    assert engine.order.index(99) == 5


def test_one_item_too_many_is_refused_and_says_when_to_come_back() -> None:
    engine = TimedEngine()
    with held(engine, capacity=3, item_s=0.2) as made:
        made.submit([1, 2, 3])
        with pytest.raises(Overloaded) as refusal:
            made.submit([4])
        assert refusal.value.retry_after_s == pytest.approx(0.2)
        assert made.depth == 3
        assert made.counts.refused == 1
        engine.gate.set()


def test_a_request_is_queued_whole_or_not_at_all() -> None:
    with held(TimedEngine(), capacity=3) as made:
        made.submit([1, 2])
        with pytest.raises(Overloaded):
            made.submit([3, 4])
        assert made.depth == 2


def test_a_request_larger_than_the_queue_is_refused_for_good() -> None:
    with batcher(TimedEngine(), capacity=3) as made, pytest.raises(TooLarge):
        made.submit([1, 2, 3, 4])


def test_expired_work_is_dropped_before_it_runs_and_counted() -> None:
    engine = TimedEngine()
    with held(engine) as made:
        late = made.submit([1], deadline=time.monotonic() - 0.01)
        engine.gate.set()
        with pytest.raises(DeadlineExceeded):
            late[0].result(5)
    assert engine.order == [0]
    assert made.counts.dropped_expired == 1
    assert made.counts.executed == 1


def test_cancelled_work_is_dropped_before_it_runs_and_counted() -> None:
    engine = TimedEngine()
    with held(engine) as made:
        gone, stays = made.submit([1, 2])
        assert gone.cancel()
        engine.gate.set()
        assert stays.result(5) == 4
    assert engine.order == [0, 2]
    assert made.counts.dropped_cancelled == 1


def test_dead_work_makes_room_in_a_full_queue() -> None:
    engine = TimedEngine()
    with held(engine, capacity=2) as made:
        made.submit([1], deadline=time.monotonic() - 1)
        made.submit([2])[0].cancel()
        fresh = made.submit([3, 4])
        engine.gate.set()
        assert [future.result(5) for future in fresh] == [9, 16]
    assert (made.counts.dropped_expired, made.counts.dropped_cancelled) == (1, 1)


def test_a_batch_waits_for_company_no_longer_than_its_delay() -> None:
    engine = TimedEngine()
    with batcher(engine, max_batch=3, max_delay_s=5.0) as made:
        first = made.submit([1])
        time.sleep(0.02)
        made.submit([2, 3])
        assert first[0].result(2) == 1
    assert engine.batches == [[1, 2, 3]]


def test_a_lone_item_runs_when_its_delay_is_over() -> None:
    engine = TimedEngine()
    with batcher(engine, max_batch=8, max_delay_s=0.05) as made:
        began = time.monotonic()
        assert made.submit([5])[0].result(5) == 25
        assert time.monotonic() - began >= 0.045


def test_stat_does_not_wait_for_company() -> None:
    with batcher(TimedEngine(), max_batch=8, max_delay_s=60.0) as made:
        assert made.submit([5], priority=Priority.STAT)[0].result(5) == 25


def test_an_error_of_one_item_leaves_its_neighbours_alone() -> None:
    engine = TimedEngine()
    with held(engine, max_batch=3) as made:
        futures = made.submit([2, -1, 3])
        engine.gate.set()
        assert futures[0].result(5) == 4
        assert futures[2].result(5) == 9
        with pytest.raises(InvalidModel):
            futures[1].result(5)
    assert engine.batches == [[0], [2, -1, 3]]


def test_a_run_that_breaks_fails_its_batch_alone_and_the_worker_lives_on() -> None:
    def run(jobs: Sequence[int]) -> Sequence[int | PrecordiaError]:
        if 13 in jobs:
            raise RuntimeError("a fault")
        return list(jobs)

    made: Batcher[int, int] = Batcher(run, BatchPolicy())
    with pytest.raises(InternalError):
        made.submit([13])[0].result(5)
    assert made.submit([14])[0].result(5) == 14
    made.close(timeout_s=5)


def test_closing_finishes_what_waits_and_refuses_what_comes() -> None:
    engine = TimedEngine(a=0.001)
    made: Batcher[int, int] = Batcher(engine, BatchPolicy(workers=2))
    futures = made.submit(list(range(30)))
    made.close(timeout_s=10)
    assert [future.result(0) for future in futures] == [n * n for n in range(30)]
    with pytest.raises(ServiceUnavailable):
        made.submit([1])


async def test_answers_never_cross_under_500_concurrent_randomised_requests() -> None:
    engine = TimedEngine(a=0.0005, b=0.00005)
    seed = random.SystemRandom().randrange(2**32)
    draw = random.Random(seed)
    submitted = 0
    with batcher(engine, max_batch=8, workers=3, max_delay_s=0.001, capacity=100_000) as made:

        async def request(number: int) -> str:
            await asyncio.sleep(draw.random() * 0.05)
            jobs = [number * 1000 + part for part in range(draw.randint(1, 6))]
            deadline = time.monotonic() + 0.01 if draw.random() < 0.1 else None
            futures = made.submit(jobs, priority=draw.choice(list(Priority)), deadline=deadline)
            nonlocal submitted
            submitted += len(jobs)
            try:
                async with asyncio.timeout(0.005 if draw.random() < 0.1 else 30):
                    answers = await asyncio.gather(*map(asyncio.wrap_future, futures))
            except TimeoutError:
                return "gone"
            except DeadlineExceeded:
                return "late"
            assert answers == [job * job for job in jobs]
            return "answered"

        outcomes = await asyncio.gather(*(request(number) for number in range(500)))
    assert outcomes.count("answered") > 300, f"seed {seed}"
    counts = made.counts
    assert counts.executed + counts.dropped_expired + counts.dropped_cancelled == submitted, f"seed {seed}"
    assert made.depth == 0


def test_batches_pay_where_a_run_has_a_fixed_cost() -> None:
    """a = 4 ms a run and b = 0: 64 items in batches of 16 take four runs, not sixty-four."""
    engine = TimedEngine(a=0.004)
    with held(engine, max_batch=16) as made:
        futures = made.submit(list(range(64)))
        engine.gate.set()
        assert [future.result(5) for future in futures] == [n * n for n in range(64)]
    assert [len(batch) for batch in engine.batches[1:]] == [16, 16, 16, 16]
