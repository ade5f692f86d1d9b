"""Measured, tuned and driven to the limit: devices whose time is a + b * n, and which take some runs at once.

`benchmarks/batching.py` does the same by the clock.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from services.inference.queueing import profile
from services.inference.queueing.batching import Batcher
from services.inference.queueing.profile import ServingLimits, measure, policy_for

MAX_BATCH, WORKERS = 32, 4


class TimedDevice:
    """Takes a + b * n seconds for n items, and `lanes` runs at once; others wait."""

    def __init__(self, a_ms: float, b_ms: float, lanes: int) -> None:
        self.a_ms, self.b_ms, self.lanes = a_ms, b_ms, lanes
        self.now = 100.0
        self.sizes: list[int] = []

    def run(self, size: int) -> None:
        """Alone."""
        self.now += self.nominal_s(size)

    def perf_counter(self) -> float:
        return self.now

    def rate(self, run: object, size: int, count: int) -> float:
        """What runs at once would measure."""
        return min(count, self.lanes) * size / self.nominal_s(size)

    def nominal_s(self, size: int) -> float:
        return (self.a_ms + self.b_ms * size) / 1000

    def __call__(self, jobs: Sequence[int]) -> Sequence[int]:
        self.sizes.append(len(jobs))
        return list(jobs)

    @property
    def best_rate(self) -> float:
        """Items per second, over all batch sizes, with every lane full."""
        return self.lanes * max(size / self.nominal_s(size) for size in range(1, MAX_BATCH + 1))


@pytest.mark.parametrize(
    ("a_ms", "b_ms", "lanes"),
    [
        (4.0, 0.05, 1),  # a GPU: nearly all of a run is its beginning
        (4.0, 0.05, 2),
        (2.0, 0.5, 1),
        (0.5, 2.0, 1),
        (0.1, 4.0, 4),  # a CPU: a batch takes as long as its items, and cores work side by side
        (0.1, 4.0, 1),
    ],
)
def test_the_tuned_batcher_comes_within_5_percent_of_the_best_rate_and_keeps_latency_bounded(
    a_ms: float, b_ms: float, lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = TimedDevice(a_ms, b_ms, lanes)
    monkeypatch.setattr(profile, "time", device)
    monkeypatch.setattr(profile, "_rate", device.rate)
    limits = ServingLimits(workers=WORKERS, max_batch=MAX_BATCH, max_delay_s=0.005, queue_capacity=100_000)
    policy = policy_for(measure(device.run, max_batch=MAX_BATCH, workers=WORKERS, clock=device.perf_counter), limits)
    made: Batcher[int, int] = Batcher(device, policy)

    # By the device's own reckoning, which nothing else that this machine does can touch.
    device.sizes.clear()
    for future in made.submit(range(20 * MAX_BATCH * lanes if b_ms < 1 else 200)):
        future.result(60)
    rate = lanes * sum(device.sizes) / sum(map(device.nominal_s, device.sizes))
    assert rate >= 0.95 * device.best_rate, policy
    assert policy.workers >= lanes

    made.close(timeout_s=60)
    assert policy.max_delay_s <= 0.6 * device.nominal_s(1)  # the most that one alone waits for company
