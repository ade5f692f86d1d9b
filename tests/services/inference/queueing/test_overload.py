"""Three times more than can be done: what is begun is done in time, the rest is told so, and STAT is answered."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence

from precordia.errors import DeadlineExceeded, Overloaded
from precordia.prediction import Priority
from services.inference.queueing.batching import Batcher, BatchPolicy

SERVICE_S, TIMES, SPAN_S, DEADLINE_S, CALLERS = 0.008, 3, 3.0, 0.4, 5


class Device:
    """One run at a time, of always the same length; notes when each job was done."""

    def __init__(self) -> None:
        self.done: dict[int, float] = {}

    def __call__(self, jobs: Sequence[int]) -> Sequence[int]:
        time.sleep(SERVICE_S * len(jobs))
        self.done |= dict.fromkeys(jobs, time.monotonic())
        return list(jobs)


async def test_overload_wastes_no_run_and_spares_urgent_work() -> None:
    seed = random.SystemRandom().randrange(2**32)
    draw, device = random.Random(seed), Device()
    made: Batcher[int, int] = Batcher(device, BatchPolicy(capacity=256, item_s=SERVICE_S))
    outcomes: dict[Priority, Counter[str]] = {priority: Counter() for priority in Priority}
    deepest, in_time = 0, 0
    waits: list[float] = []

    async def caller(number: int, priority: Priority) -> None:
        nonlocal deepest, in_time
        deadline = time.monotonic() + DEADLINE_S
        try:
            (future,) = made.submit([number], priority=priority, deadline=deadline, caller=str(number % CALLERS))
            deepest = max(deepest, made.depth)
            assert await asyncio.wrap_future(future) == number
            outcomes[priority]["answered"] += 1
            in_time += device.done[number] <= deadline
        except Overloaded as refusal:
            outcomes[priority]["refused"] += 1
            waits.append(refusal.retry_after_s)
        except DeadlineExceeded:
            outcomes[priority]["late"] += 1

    tasks, sent = [], 0
    began = at = time.monotonic()
    while at < began + SPAN_S:
        at += draw.expovariate(TIMES / SERVICE_S)
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        priority = draw.choices(list(Priority), (5, 75, 20))[0]
        tasks.append(asyncio.create_task(caller(sent, priority)))
        sent += 1
    await asyncio.gather(*tasks)
    made.close(timeout_s=5)

    told = f"seed {seed}: {outcomes}"
    assert sum(counts.total() for counts in outcomes.values()) == sent
    answered = sum(counts["answered"] for counts in outcomes.values())
    assert answered == len(device.done) == made.counts.executed, told
    assert in_time >= 0.95 * answered, told
    # What the device could do in the time that it had, by its own clock:
    assert answered * SERVICE_S >= 0.7 * (max(device.done.values()) - began), told
    assert outcomes[Priority.STAT]["answered"] >= 0.95 * outcomes[Priority.STAT].total(), told
    assert outcomes[Priority.BACKGROUND]["answered"] > 0, told
    assert deepest <= DEADLINE_S / SERVICE_S + 2 * CALLERS, told
    assert made.depth == 0
    assert min(waits) > 0
