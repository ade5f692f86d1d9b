"""Compiling the kernels ahead, in a process of its own: `python -m precordia.signal.warming`.

What is compiled is kept on disk and found by every later process. The compiler takes seconds and
a hundred megabytes; a process that only loads what another one compiled keeps neither.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import numpy as np

from precordia.leads import STANDARD_LEADS
from precordia.manifest import InputSpec, Manifest, Output, Task
from precordia.record import Signal, Unit
from precordia.signal import _kernels, _median_kernels, _quality_kernels, _section_kernels
from precordia.signal.conditioning import condition
from precordia.signal.quality import assess_signal
from precordia.steps import Step

_INPUT = InputSpec("x", STANDARD_LEADS, 100.0, 10.0)
_CROP = Step("crop_or_pad", 1, {"duration_s": 10.0})
_BAND = Step("band_pass", 1, {"low_hz": 0.5, "high_hz": 40.0})
_RESAMPLE = Step("resample", 1, {"rate_hz": 100.0})
_PLAIN_RESAMPLE = Step("scipy.signal.resample", 1, {"rate_hz": 100.0})
_BASELINE = Step("median_baseline", 1, {"window_s": 2.0})

_CONTRACTS = (
    (_BAND, _RESAMPLE, _CROP, Step("z_score")),
    (_PLAIN_RESAMPLE, _CROP, _BASELINE, Step("min_max")),
)
"""What models born here ask for, and what those of the older platform do; the rest compiles when it is first met."""

_LAST_COMPILED = (
    _kernels.resample_periodic,
    _section_kernels.filter_zero_phase,
    _median_kernels.subtract_medians,
    _quality_kernels.median_beats,
)
"""One of each module: where these are kept, the others are."""

_one_at_a_time = threading.Lock()


def kernels_are_compiled() -> bool:
    """Whether an earlier process left kernels that were compiled from this very source."""
    return all(map(_is_kept, _LAST_COMPILED))


def _is_kept(kernel: Any) -> bool:
    """Whether numba finds the kernel on disk. Its index counts by the content of the source, not by dates."""
    return bool(kernel._cache._cache_file._load_index())


def compile_kernels() -> None:
    """Conditions made-up ECGs, with and without gaps, long and short, which compiles what that takes."""
    for steps in _CONTRACTS:
        contract = Manifest(_INPUT, Task.MULTILABEL, (Output("y"),), steps)
        for rate_hz, seconds in ((500.0, 10), (500.0, 23), (400.0, 7), (100.0, 10)):
            time_s = np.arange(int(rate_hz) * seconds) / rate_hz
            values = np.tile(np.sin(2 * np.pi * 1.2 * time_s).astype(np.float32), (12, 1))
            condition(Signal(values, STANDARD_LEADS, rate_hz, Unit.MILLIVOLT), contract)
            values[3, 100:105] = np.nan
            values[4, 200:300] = np.nan
            condition(Signal(values, STANDARD_LEADS, rate_hz, Unit.MILLIVOLT), contract)
    assess_signal(Signal(values, STANDARD_LEADS, rate_hz, Unit.MILLIVOLT))


def compile_kernels_apart() -> bool:
    """The same in a process of its own, where it is not done yet; False where that failed. May take half a minute."""
    with _one_at_a_time:
        if kernels_are_compiled():
            return True
        return subprocess.run([sys.executable, "-m", "precordia.signal.warming"], check=False).returncode == 0


if __name__ == "__main__":
    compile_kernels()
