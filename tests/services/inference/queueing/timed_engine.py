"""An engine whose time is known, a + b * n, and a batcher that it drives."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from precordia.errors import InvalidModel, PrecordiaError
from services.inference.queueing.batching import Batcher, BatchPolicy
from services.inference.queueing.waiting import Call, Reply

PATIENCE_S = 60
"""For what normally ends at once."""


class Clock:
    """Stands for the module `time` where batchers look: its time passes when it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def goes_on(self, seconds: float, made: Batcher[int, int]) -> None:
        """So much time passes, and the batcher's threads notice."""
        with made._lock:
            self.now += seconds
            for condition in (made._work_came, made._company_came, made._deadline_came):
                condition.notify_all()


class ToldBatcher(Batcher[int, int]):
    """A batcher whose calls come at the time of a clock."""

    clock: Clock | None = None

    def put(self, jobs: Sequence[int], replies: Sequence[Reply[int]], call: Call) -> None:
        if self.clock is not None:
            call = replace(call, queued_at=self.clock.now)
        super().put(jobs, replies, call)


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
        self.gate.wait(600)
        if self.a or self.b:
            time.sleep(self.a + self.b * len(jobs))
        return [InvalidModel("negative") if job < 0 else job * job for job in jobs]

    def hold(self) -> None:
        self.gate.clear()

    @property
    def order(self) -> list[int]:
        return [job for batch in self.batches for job in batch]


@contextmanager
def batcher(engine: TimedEngine, clock: Clock | None = None, **policy: float) -> Iterator[Batcher[int, int]]:
    made = ToldBatcher(engine, BatchPolicy(**policy))  # type: ignore[arg-type]  # numbers by name
    made.clock = clock
    try:
        yield made
    finally:
        engine.gate.set()
        made.close(timeout_s=PATIENCE_S)


@contextmanager
def held(engine: TimedEngine, clock: Clock | None = None, **policy: float) -> Iterator[Batcher[int, int]]:
    """A batcher whose only worker is busy with job 0, so that what follows queues."""
    engine.hold()
    with batcher(engine, clock, **policy) as made:
        made.submit([0])
        assert engine.entered.acquire(timeout=PATIENCE_S)
        yield made
