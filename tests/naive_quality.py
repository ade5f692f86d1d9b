"""Slow, obvious twins of the kernels of signal quality: one sample at a time, in float64."""

from __future__ import annotations

import cmath
import math
import statistics
from collections.abc import Sequence
from itertools import groupby

Row = Sequence[float]


def filled(row: Row) -> list[float]:
    """Missing samples take the value before them, the first ones the first there is."""
    known = [value for value in row if math.isfinite(value)]
    held = known[0] if known else 0.0
    result = []
    for value in row:
        held = value if math.isfinite(value) else held
        result.append(held)
    return result


def flat_samples(row: Row, run: int, tolerance: float) -> int:
    """Samples in runs that stay near their first."""
    count, start = 0, 0
    for at in range(1, len(row) + 1):
        if at == len(row) or not abs(row[at] - row[start]) <= tolerance:
            count += at - start if at - start >= run else 0
            start = at
    return count


def clipped_samples(row: Row, flat_run: int, clip_run: int, edge: int, steep: float) -> int:
    """Samples in runs at an extreme value, with a steep edge."""
    least, most = min(row), max(row)
    count, start = 0, 0
    for value, group in groupby(row):
        size = len(list(group))
        stop = start + size
        ahead, behind = row[max(start - edge, 0)], row[min(stop + edge - 1, len(row) - 1)]
        away = max(abs(ahead - value), abs(behind - value)) > steep * (most - least)
        if value in (least, most) and clip_run <= size < flat_run and away:
            count += size
        start = stop
    return count


def quiet_noise(row: Row, width: int, block: int) -> float:
    """RMS of what a moving mean leaves, in the median block."""
    half = width // 2
    rest = [row[at] - statistics.fmean(row[at - half : at + half + 1]) for at in range(half, len(row) - half)]
    powers = [
        statistics.fmean(value**2 for value in rest[first : first + block])
        for first in range(0, len(rest) - block + 1, block)
    ]
    return math.sqrt(statistics.median(powers))


def line(block: Row, hz: float, rate_hz: float) -> complex:
    """The complex amplitude of a frequency in a block."""
    return sum(v * cmath.exp(-2j * math.pi * hz * at / rate_hz) for at, v in enumerate(block)) * 2 / len(block)


def residual(rows: Sequence[Row], weights: Row) -> tuple[float, float]:
    """Deviation and largest deviation of a weighted sum."""
    total = [sum(w * row[at] for w, row in zip(weights, rows, strict=True)) for at in range(len(rows[0]))]
    mean = statistics.fmean(total)
    return statistics.pstdev(total), max(abs(value - mean) for value in total)


def steepness(rows: Sequence[Row], reach: int) -> list[float]:
    """How fast all rows move together."""
    size = len(rows[0])
    inside = range(reach, size - reach)
    return [sum(abs(r[at + reach] - r[at - reach]) for r in rows) if at in inside else 0.0 for at in range(size)]


def median_beat(row: Row, places: Sequence[int], before: int, bins: int, width: int) -> list[float]:
    """The median over beats of the mean of each bin."""
    return [
        statistics.median(
            statistics.fmean(row[place - before + index * width : place - before + (index + 1) * width])
            for place in places
        )
        for index in range(bins)
    ]
