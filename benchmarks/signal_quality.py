"""Signal quality of one ECG of 12 x 5000: milliseconds, and where they go. The bar is 1 ms.

    .venv/bin/python benchmarks/signal_quality.py [--rounds 200]

Times are of this process's own processor time, so that what else the machine does counts little.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time

import numpy as np

from precordia.leads import STANDARD_LEADS
from precordia.record import Channel, Provenance, Recording, Signal
from precordia.signal.quality import assess, assess_signal

RATE_HZ, SAMPLES, GAIN = 500.0, 5000, 200.0


def made() -> np.ndarray:
    """Counts of an ECG-like signal, (leads, samples): beats, noise, and leads of different size."""
    time_s = np.arange(SAMPLES) / RATE_HZ
    since = (time_s + 0.4) % 0.83 - 0.4
    beat = np.exp(-((since / 0.012) ** 2)) + 0.25 * np.exp(-(((since - 0.26) / 0.05) ** 2))
    sizes = np.linspace(-0.6, 1.2, 12)[:, None]
    noise = np.random.default_rng(3).normal(0, 0.01, (12, SAMPLES))
    return np.round((sizes * beat + noise) * GAIN).astype(np.int16)


def milliseconds(work: object, rounds: int) -> list[float]:
    """Processor time of each call, sorted."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append((time.process_time() - start) * 1e3)
    return sorted(times)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=200)
    rounds = arguments.parse_args().rounds
    counts = made()
    signal = Signal((counts / GAIN).astype(np.float32), STANDARD_LEADS, RATE_HZ)
    channels = tuple(
        Channel(lead, row, RATE_HZ, "mV", gain=GAIN) for lead, row in zip(STANDARD_LEADS, counts, strict=True)
    )
    recording = Recording(channels, Provenance("made", "0" * 64, "made", "1", "made"))
    print(f"{platform.processor() or platform.machine()}, {rounds} rounds, 12 x {SAMPLES}")
    for name, work in (("signal", lambda: assess_signal(signal)), ("recording", lambda: assess(recording))):
        work()
        times = milliseconds(work, rounds)
        print(f"{name:<10} median {statistics.median(times):.2f} ms, quickest {times[0]:.2f} ms, bar 1 ms")


if __name__ == "__main__":
    main()
