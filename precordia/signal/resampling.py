"""Resampling by FFT: with both ends continued, or plainly periodic as scipy does it.

A discrete Fourier transform takes a signal for one period of an endless one. Where first and last
sample differ, the period closes with a jump, and the jump rings into both ends (0.04 to 0.16 mV on
real ECGs). `resample` continues both ends before the transform, so that nothing jumps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precordia.errors import InvalidArgument
from precordia.signal import _kernels

_FADE_S = 0.5
"""Length of each continuation. Half a second holds a beat's worth of curvature."""

_LARGEST_DENOMINATOR = 2000
"""Rates whose ratio is no such fraction are met to within one part in a million."""


@dataclass(frozen=True, eq=False)
class Grid:
    """How rows of one length and rate become rows of another."""

    samples: int
    out_samples: int
    margin: int
    period: int
    out_margin: int
    out_period: int
    taper: NDArray[np.float32]
    ramp: NDArray[np.float32]

    def run(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows (rows, samples) as (rows, out_samples)."""
        out = np.empty((rows.shape[0], self.out_samples), np.float32)
        _kernels.resample_continued(
            rows, out, self.taper, self.ramp, self.margin, self.period, self.out_margin, self.out_period
        )
        return out


def resampled_length(samples: int, *, from_hz: float, to_hz: float) -> int:
    """Number of samples after resampling: the same time, to the nearest sample, at least one."""
    return max(1, round(samples * to_hz / from_hz))


@lru_cache(maxsize=256)
def continued_grid(samples: int, from_hz: float, to_hz: float) -> Grid:
    """The grid for rows of `samples` at `from_hz` to `to_hz`, with both ends continued."""
    ratio = Fraction(to_hz / from_hz).limit_denominator(_LARGEST_DENOMINATOR)
    if ratio == 0:
        raise InvalidArgument("The target rate is too low for this recording.", field="rate_hz")
    up, down = ratio.numerator, ratio.denominator
    fade = max(1, round(_FADE_S * from_hz))
    margin_units = -(-fade // down)
    least = samples + 2 * margin_units * down
    units = _fast_multiple(-(-least // down), down, up)
    reach = min(fade, samples - 1)
    distance = np.arange(1, reach + 1) / (reach + 1)
    out_samples = resampled_length(samples, from_hz=from_hz, to_hz=to_hz)
    return Grid(
        samples=samples,
        out_samples=out_samples,
        margin=margin_units * down,
        period=units * down,
        out_margin=margin_units * up,
        out_period=units * up,
        taper=(0.5 + 0.5 * np.cos(np.pi * distance)).astype(np.float32),
        ramp=np.arange(max(samples, out_samples), dtype=np.float32),
    )


def _fast_multiple(least: int, down: int, up: int) -> int:
    """The number of units, from `least` on, whose transforms are quick in both directions."""
    candidates = range(least, least + 64)
    return min(candidates, key=lambda units: _cost(units * down) + _cost(units * up))


def _cost(length: int) -> float:
    """Rough time of a transform: its length, times the sum of its prime factors."""
    rest, factors, prime = length, 0.0, 2
    while rest > 1 and prime < 100:
        while rest % prime == 0:
            rest //= prime
            factors += {2: 1.4, 3: 2.2}.get(prime, float(prime) * 0.75)
        prime += 1
    return length * (factors + (100.0 if rest > 1 else 0.0))


def _as_rows(values: NDArray[Any]) -> NDArray[np.float32]:
    if values.ndim < 1 or values.shape[-1] < 1:
        raise InvalidArgument("There is no sample to resample.", field="values")
    rows = np.ascontiguousarray(values, dtype=np.float32)
    return rows.reshape(-1, values.shape[-1])


def _check_rates(from_hz: float, to_hz: float) -> None:
    for name, rate in (("from_hz", from_hz), ("to_hz", to_hz)):
        if not (math.isfinite(rate) and rate > 0):
            raise InvalidArgument(f"'{name}' is a positive number of hertz.", field=name)


def resample(values: NDArray[Any], *, from_hz: float, to_hz: float, edges: bool = True) -> NDArray[np.float32]:
    """Resample along the last axis.

    Args:
        values: (..., samples), finite, any unit.
        from_hz: present rate.
        to_hz: rate wanted. Content above its half is removed. The same rate changes nothing.
        edges: continue both ends before the transform. False is `scipy_resample` to the same length.

    Returns:
        float32 (..., round(samples * to_hz / from_hz)). Sample 0 stays sample 0; constants and
        lines are kept to float32's precision.

    Raises:
        InvalidArgument: no sample, or a rate that is none.
    """
    _check_rates(from_hz, to_hz)
    rows = _as_rows(values)
    if from_hz == to_hz:
        return rows.reshape(values.shape).copy()
    samples = rows.shape[1]
    if not edges:
        return scipy_resample(values, resampled_length(samples, from_hz=from_hz, to_hz=to_hz))
    out = continued_grid(samples, float(from_hz), float(to_hz)).run(rows)
    return out.reshape(*values.shape[:-1], out.shape[1])


def scipy_resample(values: NDArray[Any], samples: int) -> NDArray[np.float32]:
    """Plain FFT resampling of (..., n) to (..., samples): `scipy.signal.resample(values, samples, axis=-1)`.

    Periodic: where both ends differ it rings. For models that were trained with it.

    Raises:
        InvalidArgument: no sample comes in, or none is to come out.
    """
    rows = _as_rows(values)
    if samples < 1:
        raise InvalidArgument("The resampled signal would have no sample.", field="samples")
    out = np.empty((rows.shape[0], samples), np.float32)
    _kernels.resample_periodic(rows, out)
    return out.reshape(*values.shape[:-1], samples)
