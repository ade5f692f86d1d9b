"""What batching is worth for one model on one device: measured at load, kept by graph and device.

On a CPU a batch takes as long as its ECGs one after the other, so each is run alone and cores are
filled by workers. On a GPU a batch of 32 costs little more than one. Nothing here asks which it
is: the times decide.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.inference.batching import BatchPolicy

log = logging.getLogger(__name__)

WORTHWHILE = 1.2
"""Throughput of a batch over that of single ECGs from which batching is worth its waiting."""

_NEAR_BEST = 0.93
_BUDGET_S = 3.0


@dataclass(frozen=True)
class Profile:
    """Milliseconds of one undisturbed run, by batch size."""

    milliseconds: Mapping[int, float]

    def per_item_ms(self, size: int) -> float:
        """Milliseconds an ECG in batches of this size."""
        return self.milliseconds[size] / size

    @property
    def best_batch(self) -> int:
        """The smallest batch whose throughput is near the best; 1 where batching gains too little."""
        fastest = min(self.per_item_ms(size) for size in self.milliseconds)
        if self.per_item_ms(1) < WORTHWHILE * fastest:
            return 1
        return min(size for size in self.milliseconds if fastest >= _NEAR_BEST * self.per_item_ms(size))


def measure(run: Callable[[int], object], *, max_batch: int, repeats: int = 5) -> Profile:
    """Times `run(batch size)` for 1, 2, 4 ... max_batch; stops where more gains nothing.

    The shortest of some runs counts, and single ECGs are timed anew beside every size: what else
    the machine does can only make a run longer, and must not look like a gain of batching. The
    first run of each size is not counted (allocation, autotuning).
    """
    shortest: dict[int, float] = {}
    began = time.perf_counter()
    size = 1
    while size <= max_batch:
        run(size)
        for _ in range(repeats):
            for timed in {1, size}:
                shortest[timed] = min(shortest.get(timed, math.inf), _milliseconds(run, timed))
        gains_nothing = size >= 4 and Profile(shortest).best_batch == 1
        if gains_nothing or time.perf_counter() - began > _BUDGET_S:
            break
        size *= 2
    return Profile(shortest)


def _milliseconds(run: Callable[[int], object], size: int) -> float:
    began = time.perf_counter()
    run(size)
    return 1000 * (time.perf_counter() - began)


def policy_for(
    profile: Profile,
    *,
    workers: int,
    capacity: int,
    max_delay_s: float,
) -> BatchPolicy:
    """Batch size, workers and delay that follow from the times.

    Where batches gain, a batch waits at most half of one run, and never longer than
    `max_delay_s`; two workers then overlap conditioning with the device's work. Where they do not,
    nothing waits and `workers` fill the cores.
    """
    batch = profile.best_batch
    gains = batch > 1
    delay_s = min(max_delay_s, profile.milliseconds[1] / 2000) if gains else 0.0
    return BatchPolicy(
        max_batch=batch,
        workers=min(2, workers) if gains else workers,
        max_delay_s=delay_s,
        capacity=capacity,
        item_s=profile.per_item_ms(batch) / 1000,
    )


class ProfileCache:
    """Profiles kept as small files, so that a restart does not measure again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, graph_sha256: str, device: str) -> Profile | None:
        """The kept profile; None where there is none, or it cannot be read."""
        try:
            kept = json.loads(self._path(graph_sha256, device).read_text())
            times = {int(size): float(ms) for size, ms in kept["milliseconds"].items()}
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            return None
        return Profile(times) if times.get(1, 0) > 0 and all(ms > 0 for ms in times.values()) else None

    def put(self, graph_sha256: str, device: str, profile: Profile) -> None:
        """Keeps a profile. Not being able to is logged and does no harm."""
        path = self._path(graph_sha256, device)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(f".{os.getpid()}.new")
            fresh.write_text(json.dumps({"device": device, "milliseconds": dict(profile.milliseconds)}))
            fresh.replace(path)
        except OSError:
            log.warning("a profile could not be kept", exc_info=True)

    def _path(self, graph_sha256: str, device: str) -> Path:
        key = hashlib.sha256(f"{graph_sha256}|{device}".encode()).hexdigest()
        return self._folder / f"{key}.json"
