"""An engine whose time is known, a + b * n, and a batcher that it drives."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from precordia.errors import InvalidModel, PrecordiaError
from services.inference.queueing.batching import Batcher, BatchPolicy


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
