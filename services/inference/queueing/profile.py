"""What batching and running side by side are worth for one model on one device: measured at load.

On a CPU a batch takes as long as its ECGs one after the other, so each is run alone and cores are
filled by workers. On a GPU a batch of 32 costs little more than one. Nothing here asks which it
is: the times decide.
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from services.inference.queueing.batching import BatchPolicy

WORTHWHILE = 1.05
"""Throughput of a batch over that of single ECGs from which batching is worth its waiting."""

_NEAR_BEST = 0.97
_NEAR_RATE = 0.95
_NOT_IN_THE_WAY = 0.75
"""Share of the best rate from which runs at once on a CPU do not hinder each other; what is missing is others' work."""
_BUDGET_S = 3.0
_TRIAL_S = 0.06
_TRIALS = 3


@dataclass(frozen=True)
class Profile:
    """What was measured.

    Attributes:
        milliseconds: of one undisturbed run, by batch size.
        rates: ECGs per second by runs at once, each of `best_batch` ECGs; empty = not measured.
        threads: inside each run.
    """

    milliseconds: Mapping[int, float]
    rates: Mapping[int, float] = field(default_factory=dict)
    threads: int = 1

    def per_item_ms(self, size: int) -> float:
        """Milliseconds an ECG in batches of this size, which may lie between those that were timed."""
        if size in self.milliseconds:
            return self.milliseconds[size] / size
        timed = sorted(self.milliseconds)
        above = next((one for one in timed if one > size), timed[-1])
        return self.milliseconds[above] / above

    @property
    def best_batch(self) -> int:
        """The smallest batch whose throughput is near the best; 1 where batching gains too little."""
        fastest = min(self.per_item_ms(size) for size in self.milliseconds)
        if self.per_item_ms(1) < WORTHWHILE * fastest:
            return 1
        return min(size for size in self.milliseconds if fastest >= _NEAR_BEST * self.per_item_ms(size))

    @property
    def best_rate(self) -> float:
        """The most ECGs per second that were reached."""
        return max(self.rates.values(), default=1000 / self.per_item_ms(self.best_batch))

    def best_sessions(self, most: int) -> int:
        """Runs at once, `most` at most.

        Where batches gain, as few as come near the best rate, since more of them would share out the
        company, and one that prepares while they run. Where batches gain nothing, as
        many as do not get in each other's way: an idle worker costs nothing, and what else the machine did while
        it was measured must not leave a core unused for good.
        """
        share = _NEAR_RATE if self.best_batch > 1 else _NOT_IN_THE_WAY
        near = [count for count, rate in self.rates.items() if rate >= share * self.best_rate and count <= most]
        if self.best_batch > 1:
            return min(most, min(near, default=1) + 1)
        return max(near, default=most)


def measure(
    run: Callable[[int], object],
    *,
    max_batch: int,
    workers: int = 1,
    repeats: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> Profile:
    """Times `run(batch size)` for 1, 2, 4 ... max_batch, and 1, 2, 4 ... workers of them at once.

    The shortest of some runs counts, and single ECGs are timed anew beside every size: what else
    the machine does can only make a run longer, and must not look like a gain of batching. The
    first run of each size is not counted (allocation, autotuning). Sizes end where more gains nothing.

    Args:
        run: one run; from several threads at once.
        max_batch: largest size to try.
        workers: most runs at once to try.
        repeats: timed runs of each size.
        clock: seconds; rates of runs at once are by the wall in any case.
    """
    shortest: dict[int, float] = {}
    began = time.perf_counter()
    size = 1
    while size <= max_batch:
        run(size)
        for _ in range(repeats):
            for timed in {1, size}:
                shortest[timed] = min(shortest.get(timed, math.inf), _milliseconds(run, timed, clock))
        gains_nothing = size >= 4 and Profile(shortest).best_batch == 1
        if gains_nothing or time.perf_counter() - began > _BUDGET_S:
            break
        size *= 2
    return Profile(shortest, _rates(run, Profile(shortest).best_batch, workers))


def _milliseconds(run: Callable[[int], object], size: int, clock: Callable[[], float]) -> float:
    began = clock()
    run(size)
    return max(1e-6, 1000 * (clock() - began))


def _rates(run: Callable[[int], object], size: int, workers: int) -> dict[int, float]:
    """ECGs per second by runs at once; the best of some trials, in turns."""
    if workers == 1:
        return {}
    counts = [*itertools.takewhile(lambda count: count < workers, (2**power for power in range(10))), workers]
    best = dict.fromkeys(counts, 0.0)
    began = time.perf_counter()
    for _ in range(_TRIALS):
        for count in counts:
            best[count] = max(best[count], _rate(run, size, count))
        if time.perf_counter() - began > _BUDGET_S:
            break
    return best


def _rate(run: Callable[[int], object], size: int, count: int) -> float:
    done, began = [0] * count, [0.0] * count
    start = threading.Barrier(count)

    def worker(number: int) -> None:
        run(size)  # this thread's own memory
        start.wait()
        began[number] = time.perf_counter()  # by itself: whoever waits for the threads may hear of the start late
        while not done[number] or time.perf_counter() < began[number] + _TRIAL_S:
            run(size)
            done[number] += 1

    threads = [threading.Thread(target=worker, args=(number,), name="measure") for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return size * sum(done) / (time.perf_counter() - min(began))


@dataclass(frozen=True)
class ServingLimits:
    """What the operator allows each model; what is not fixed here follows from what is measured.

    Attributes:
        workers: runs at once, at most.
        sessions: runs at once; 0 = measured.
        max_batch: ECGs of one run, at most.
        batch_size: ECGs of one run, `max_batch` at most; 0 = measured.
        max_delay_s: how long an unfilled batch waits, at most.
        delay_s: how long it waits; None = from the measured times.
        queue_capacity: ECGs that may wait.
    """

    workers: int = 1
    sessions: int = 0
    max_batch: int = 64
    batch_size: int = 0
    max_delay_s: float = 0.005
    delay_s: float | None = None
    queue_capacity: int = 1024


def policy_for(profile: Profile, limits: ServingLimits) -> BatchPolicy:
    """Batch size, workers and delay that follow from the times.

    Where batches gain, a batch waits at most half of one run, and never longer than allowed. Where they
    do not, nothing waits and workers fill the cores.
    """
    batch = min(limits.batch_size or profile.best_batch, limits.max_batch)
    measured_s = min(limits.max_delay_s, profile.milliseconds[1] / 2000) if batch > 1 else 0.0
    most = max(1, limits.workers // profile.threads)
    return BatchPolicy(
        max_batch=batch,
        workers=limits.sessions or profile.best_sessions(most),
        max_delay_s=measured_s if limits.delay_s is None else limits.delay_s,
        capacity=limits.queue_capacity,
        item_s=profile.per_item_ms(batch) / 1000,
    )
