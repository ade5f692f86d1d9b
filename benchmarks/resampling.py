"""Resampling 12 x 5000 -> 1000 samples against `scipy.signal.resample`, in one run.

    .venv/bin/python benchmarks/resampling.py [--rounds 15] [--threads 2]

Each round times both, one right after the other in alternating order; the ratio is taken within
the round, so that what else the machine does hits both. scipy gets its inputs as float32, which is
its faster case; its float64 case, which most callers use, is shown beside it.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import numpy as np
import rocket_fft
import scipy
import scipy.signal
from numpy.typing import NDArray

from precordia.signal import resample, scipy_resample

BATCH, LEADS, SAMPLES, WANTED = 256, 12, 5000, 1000
Work = Callable[[], object]
Batch = NDArray[np.float32]


def ecg_like(records: int) -> NDArray[np.float32]:
    """Random walks: ends that differ, as on real ECGs."""
    steps = np.random.default_rng(20).standard_normal((records, LEADS, SAMPLES))
    return (np.cumsum(steps, axis=-1) * 0.01).astype(np.float32)


def seconds(work: Work) -> float:
    """How long one call takes: the quickest of three, so that another process's turn does not count."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def compare(name: str, ours: Work, theirs: Work, rounds: int) -> float:
    """Print and return the median ratio theirs / ours."""
    ours(), theirs()
    pairs = []
    for index in range(rounds):
        if index % 2:
            mine, other = seconds(ours), seconds(theirs)
        else:
            other, mine = seconds(theirs), seconds(ours)
        pairs.append((mine, other))
    ratios = sorted(other / mine for mine, other in pairs)
    middle = statistics.median(ratios)
    mine_ms = 1000 * statistics.median(mine for mine, _ in pairs)
    other_ms = 1000 * statistics.median(other for _, other in pairs)
    print(f"{name:<58} {mine_ms:9.3f} {other_ms:9.3f}   {middle:5.2f}  {ratios[0]:5.2f} - {ratios[-1]:5.2f}")
    return middle


def threaded(pool: ThreadPoolExecutor, parts: list[Batch], one: Callable[[Batch], object]) -> Work:
    """Parts of the batch side by side: the kernels release the GIL."""
    return lambda: list(pool.map(one, parts))


def repeated(times: int, work: Work) -> Work:
    """Work that is too short to time alone."""

    def run() -> None:
        for _ in range(times):
            work()

    return run


def machine(threads: int) -> str:
    """Hardware and versions."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return (
        f"{model}, {os.cpu_count()} cores, {threads} threads; Python {platform.python_version()}, "
        f"numpy {np.__version__}, scipy {scipy.__version__}, "
        f"numba {numba.__version__}, rocket-fft {rocket_fft.__version__}"
    )


def main() -> None:
    """Run and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=15)
    arguments.add_argument("--threads", type=int, default=2)
    given = arguments.parse_args()
    batch = ecg_like(BATCH)
    wide = batch.astype(np.float64)
    parts = np.array_split(batch, given.threads)

    def plain(values: Batch) -> object:
        return scipy_resample(values, WANTED)

    def continued(values: Batch) -> object:
        return resample(values, from_hz=500, to_hz=100)

    def reference() -> object:
        return scipy.signal.resample(batch, WANTED, axis=-1)

    def wide_reference() -> object:
        return scipy.signal.resample(wide, WANTED, axis=-1)

    worst = (
        np.abs(scipy_resample(batch, WANTED) - scipy.signal.resample(wide, WANTED, axis=-1)).max() / np.abs(wide).max()
    )
    print(machine(given.threads))
    print(
        f"{LEADS} x {SAMPLES} -> {WANTED}; largest difference from scipy in float64: {worst:.1e} of the largest sample"
    )
    print(f"{'':<58} {'ours ms':>9} {'scipy ms':>9}   ratio  lowest - highest of {given.rounds}")
    with ThreadPoolExecutor(given.threads) as pool:
        n = given.rounds
        ratio = compare("batch 256, plain, threads, scipy float32", threaded(pool, parts, plain), reference, n)
        compare("batch 256, ends continued, threads, scipy float32", threaded(pool, parts, continued), reference, n)
        compare("batch 256, plain, one thread, scipy float32", lambda: plain(batch), reference, n)
        compare("batch 256, ends continued, one thread, scipy float32", lambda: continued(batch), reference, n)
        wide_ratio = compare(
            "batch 256, plain, threads, scipy float64", threaded(pool, parts, plain), wide_reference, n
        )
        compare("batch 256, plain, one thread, scipy float64", lambda: plain(batch), wide_reference, n)
    one, one_wide = batch[0], wide[0]
    ours = repeated(50, lambda: plain(one))
    compare(
        "50 x one ECG, plain, scipy float32", ours, repeated(50, lambda: scipy.signal.resample(one, WANTED, axis=-1)), n
    )
    compare(
        "50 x one ECG, plain, scipy float64",
        ours,
        repeated(50, lambda: scipy.signal.resample(one_wide, WANTED, axis=-1)),
        n,
    )
    print(
        f"plain step, {given.threads} threads: {ratio:.2f} x scipy.signal.resample on float32, "
        f"{wide_ratio:.2f} x on float64 (bar: 3.5)"
    )


if __name__ == "__main__":
    main()
