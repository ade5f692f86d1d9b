"""Three times more than can be done: what is begun is done in time, the rest is told so, and STAT is answered."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import pytest

from precordia.errors import DeadlineExceeded, Overloaded
from precordia.prediction import Priority
from services.inference.queueing.batching import BatchPolicy
from tests.services.inference.queueing.timed_engine import PATIENCE_S, Clock, ToldBatcher

SERVICE_S, TIMES, SPAN_S, DEADLINE_S, CALLERS = 0.008, 3, 3.0, 0.4, 5


class Device:
    """One run at a time, of always the same length by a clock; notes when each job was done."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.done: dict[int, float] = {}
        self.ends_at: float | None = None
        self._end = threading.Semaphore(0)

    def __call__(self, jobs: Sequence[int]) -> Sequence[int]:
        self.ends_at = self.clock.now + SERVICE_S * len(jobs)
        assert self._end.acquire(timeout=PATIENCE_S)
        self.done |= dict.fromkeys(jobs, self.clock.now)
        return list(jobs)

    def end(self) -> None:
        """The run that takes place is over."""
        self.ends_at = None
        self._end.release()


@dataclass
class Asked:
    priority: Priority
    deadline: float
    future: Future[int]


@pytest.mark.parametrize("seed", range(3))
def test_overload_wastes_no_run_and_spares_urgent_work(seed: int, clock: Clock) -> None:
    draw, device, began = random.Random(seed), Device(clock), clock.now
    made = ToldBatcher(device, BatchPolicy(capacity=256, item_s=SERVICE_S))
    made.clock = clock
    asked: dict[int, Asked] = {}
    refused: Counter[Priority] = Counter()
    waits: list[float] = []
    deepest = sent = 0

    def settled() -> bool:
        """Whether all that can happen now has happened."""
        return device.ends_at is not None or all(one.future.done() for one in asked.values())

    def pass_to(moment: float) -> None:
        """To that time, by way of all ends of runs before it."""
        while True:
            end = time.monotonic() + PATIENCE_S
            while not settled():
                assert time.monotonic() < end
                time.sleep(0.0001)
            if device.ends_at is None or device.ends_at > moment:
                break
            clock.goes_on(max(0.0, device.ends_at - clock.now), made)
            running = len(device.done)
            device.end()
            while len(device.done) == running:
                time.sleep(0.0001)
        if moment < float("inf"):
            clock.goes_on(moment - clock.now, made)
            with made._lock:
                made._sweep(clock.now)  # as its own thread does, sooner or later

    at = began
    while (at := at + draw.expovariate(TIMES / SERVICE_S)) < began + SPAN_S:
        pass_to(at)
        priority = draw.choices(list(Priority), (5, 75, 20))[0]
        deadline = clock.now + DEADLINE_S
        try:
            (future,) = made.submit([sent], priority=priority, deadline=deadline, caller=str(sent % CALLERS))
            asked[sent] = Asked(priority, deadline, future)
            deepest = max(deepest, made.depth)
        except Overloaded as refusal:
            refused[priority] += 1
            waits.append(refusal.retry_after_s)
        sent += 1
    pass_to(float("inf"))
    made.close(timeout_s=PATIENCE_S)

    outcomes: dict[Priority, Counter[str]] = {priority: Counter(refused=refused[priority]) for priority in Priority}
    in_time = 0
    for number, one in asked.items():
        error = one.future.exception(0)
        if error is None:
            outcomes[one.priority]["answered"] += 1
            in_time += device.done[number] <= one.deadline
        else:
            assert isinstance(error, DeadlineExceeded | Overloaded)
            outcomes[one.priority]["late" if isinstance(error, DeadlineExceeded) else "refused"] += 1
            waits += [error.retry_after_s] if isinstance(error, Overloaded) else []

    told = f"seed {seed}: {outcomes}"
    assert sum(counts.total() for counts in outcomes.values()) == sent
    answered = sum(counts["answered"] for counts in outcomes.values())
    assert answered == len(device.done) == made.counts.executed, told
    assert in_time >= 0.95 * answered, told
    assert answered * SERVICE_S >= 0.7 * (max(device.done.values()) - began), told  # of what the device could do
    assert outcomes[Priority.STAT]["answered"] >= 0.95 * outcomes[Priority.STAT].total(), told
    assert outcomes[Priority.BACKGROUND]["answered"] > 0, told
    assert deepest <= DEADLINE_S / SERVICE_S + 2 * CALLERS, told
    assert made.depth == 0
    assert min(waits) > 0
