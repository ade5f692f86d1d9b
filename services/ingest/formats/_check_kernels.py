"""Compiled passes over samples for the checks that every recording goes through; twins in `tests/naive_reading.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numba
import numpy as np
from numpy.typing import NDArray

_REORDERED = {"reassoc"}
"""Sums may be added up in any order, so that they run side by side; NaN and infinity stay what they are."""


def _compiled(function: Callable[..., Any]) -> Any:
    return cast(Any, numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=_REORDERED))(function)


@_compiled
def deviation(samples: NDArray[Any], every: int) -> float:
    """Population standard deviation of every so many-th sample, the first one included.

    Args:
        samples: 1-D, at least one.
        every: 1 or more.

    Returns:
        In the samples' unit; not finite where one of them is not.
    """
    count = (samples.size + every - 1) // every
    origin = np.float64(samples[0])
    total = 0.0
    squares = 0.0
    for index in range(count):
        away = np.float64(samples[index * every]) - origin
        total += away
        squares += away * away
    mean = total / count
    return np.sqrt(max(squares / count - mean * mean, 0.0)) if total == total else np.nan  # NaN


@_compiled
def residual_span(one: NDArray[Any], two: NDArray[Any], three: NDArray[Any]) -> tuple[float, float]:
    """Smallest and largest of I + III - II; where one is NaN, NaN.

    Args:
        one: lead I, 1-D, at least one sample: integers of 16 bits, or float64.
        two: lead II, likewise.
        three: lead III, likewise.
    """
    low = high = one[0] + three[0] - two[0]
    known = True
    for at in range(one.size):
        residual = one[at] + three[at] - two[at]
        low = min(low, residual)
        high = max(high, residual)
        known &= residual == residual  # NaN
    return (np.float64(low), np.float64(high)) if known else (np.nan, np.nan)


@_compiled
def is_finite(samples: NDArray[Any]) -> bool:
    """Whether no sample of an array of floats is NaN or infinite."""
    finite = True
    for at in range(samples.size):
        finite &= samples[at] - samples[at] == 0.0
    return finite


@_compiled
def holds(samples: NDArray[Any], value: int) -> bool:
    """Whether any sample of an array of integers is a value."""
    found = False
    for at in range(samples.size):
        found |= samples[at] == value
    return found


@_compiled
def sums_and_lowest(rows: NDArray[Any], sums: NDArray[np.int64]) -> int:
    """Sums of rows of integers into `sums`, and the lowest of all.

    Args:
        rows: (signals, samples), at least one sample.
        sums: out, (signals,).
    """
    lowest: Any = rows[0, 0]
    for signal in range(rows.shape[0]):
        row, total = rows[signal], np.int64(0)
        for at in range(row.size):
            total += np.int64(row[at])
            lowest = min(lowest, row[at])
        sums[signal] = total
    return lowest  # type: ignore[no-any-return]  # of the samples' own type
