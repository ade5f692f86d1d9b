"""The self-tuning batcher against the best that a device can give: devices whose time is a + b * n.

Each device is measured, the batcher tuned from that, and then kept busy; the ratio is of its rate to that
of the same device driven without a queue, by its best batch size on every lane, in turns. Also: what a lone
request waits beyond its own run.

    python -m benchmarks.batching [--turns 7]
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Sequence

from services.inference.queueing.batching import Batcher
from services.inference.queueing.profile import ServingLimits, measure, policy_for

MAX_BATCH, WORKERS, SECONDS = 64, 4, 0.5
DEVICES = ((4.0, 0.05, 1), (8.0, 0.2, 2), (2.0, 0.5, 1), (0.5, 2.0, 1), (0.1, 4.0, 4), (0.1, 4.0, 1))


class Device:
    """Takes a + b * n milliseconds for n items, and `lanes` runs at once; others wait."""

    def __init__(self, a_ms: float, b_ms: float, lanes: int) -> None:
        self.a_ms, self.b_ms, self.lanes = a_ms, b_ms, lanes
        self._free = threading.Semaphore(lanes)

    def run(self, size: int) -> None:
        """One run."""
        with self._free:
            time.sleep((self.a_ms + self.b_ms * size) / 1000)

    def __call__(self, jobs: Sequence[int]) -> Sequence[int]:
        """One batch."""
        self.run(len(jobs))
        return jobs

    def direct(self, seconds: float) -> float:
        """Items per second in batches of the largest size, every lane a thread."""
        done, until = [0] * self.lanes, time.perf_counter() + seconds

        def lane(number: int) -> None:
            while time.perf_counter() < until:
                self.run(MAX_BATCH)
                done[number] += MAX_BATCH

        threads = [threading.Thread(target=lane, args=(number,)) for number in range(self.lanes)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(done) / (time.perf_counter() - began)


def served(made: Batcher[int, int], items: int) -> float:
    """Items per second of a full queue."""
    began = time.perf_counter()
    for future in made.submit(range(items)):
        future.result(60)
    return items / (time.perf_counter() - began)


def main() -> None:
    """Prints a verdict a line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=7)
    turns = parser.parse_args().turns
    print(f"{'a + b n, lanes':24}{'batch':>6}{'runs':>6}{'delay ms':>10}{'ratio':>8}{'min..max':>14}{'lone, runs':>12}")
    for a_ms, b_ms, lanes in DEVICES:
        device = Device(a_ms, b_ms, lanes)
        limits = ServingLimits(workers=WORKERS, max_batch=MAX_BATCH, queue_capacity=10**6)
        policy = policy_for(measure(device.run, max_batch=MAX_BATCH, workers=WORKERS), limits)
        made: Batcher[int, int] = Batcher(device, policy)
        ratios, alone = [], []
        for _ in range(turns):
            direct = device.direct(SECONDS)
            ratios.append(served(made, int(direct * SECONDS)) / direct)
            began = time.perf_counter()
            made.submit([1])[0].result(10)
            alone.append(1000 * (time.perf_counter() - began) / (a_ms + b_ms))
        made.close()
        ratio = statistics.median(ratios)
        print(
            f"{f'{a_ms} + {b_ms} n, {lanes}':24}{policy.max_batch:6}{policy.workers:6}{1000 * policy.max_delay_s:10.2f}"
            f"{ratio:8.2f}{f'{min(ratios):.2f}..{max(ratios):.2f}':>14}{statistics.median(alone):12.2f}"
            f"  {'holds' if ratio >= 0.95 else 'FAILS'}: 0.95 of the best"
        )


if __name__ == "__main__":
    main()
