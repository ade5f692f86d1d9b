"""Slow, obvious twins of the compiled kernels: one sample at a time, in float64."""

from __future__ import annotations

import cmath
import math
import statistics
from collections.abc import Sequence

Row = Sequence[float]


def resample_periodic(row: Row, length: int) -> list[float]:
    """The trigonometric polynomial through a row, read at `length` points of its period."""
    size = len(row)
    kept = min(size, length)
    bins = [
        sum(value * cmath.exp(-2j * math.pi * k * at / size) for at, value in enumerate(row)) / size
        for k in range(kept // 2 + 1)
    ]
    if kept % 2 == 0 and length > size:
        bins[-1] /= 2
    result = []
    for at in range(length):
        value = bins[0].real
        for k in range(1, kept // 2 + 1):
            once = kept % 2 == 0 and k == kept // 2 and length == size
            value += (1 if once else 2) * (bins[k] * cmath.exp(2j * math.pi * k * at / length)).real
        result.append(value)
    return result


def resample_continued(
    row: Row, taper: Row, margin: int, period: int, out_margin: int, out_period: int, length: int
) -> list[float]:
    """Line off, odd reflections faded out on both sides, zeros to the period, resampled, cropped, line on."""
    last = len(row) - 1
    slope = (row[-1] - row[0]) / max(last, 1)
    flat = [value - (row[0] + slope * at) for at, value in enumerate(row)]
    whole = [0.0] * period
    whole[margin : margin + len(row)] = flat
    for away, weight in enumerate(taper, start=1):
        whole[margin - away] = -weight * flat[away]
        whole[margin + last + away] = -weight * flat[last - away]
    spaced = resample_periodic(whole, out_period)
    step = period / out_period
    return [spaced[out_margin + at] + row[0] + slope * step * at for at in range(length)]


def filter_once(row: Row, sections: Sequence[Sequence[float]]) -> list[float]:
    """Second-order sections from a settled state, by the difference equation."""
    values = list(row)
    for b0, b1, b2, _, a1, a2 in sections:
        level = values[0]
        settled = level * (b0 + b1 + b2) / (1 + a1 + a2)
        x1 = x2 = level
        y1 = y2 = settled
        for at, x in enumerate(values):
            y = b0 * x + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2
            x2, x1, y2, y1 = x1, x, y1, y
            values[at] = y
    return values


def filter_zero_phase(row: Row, sections: Sequence[Sequence[float]], padding: int) -> list[float]:
    """Odd extension, forward, backward, crop."""
    left = [2 * row[0] - row[at] for at in range(padding, 0, -1)]
    right = [2 * row[-1] - row[len(row) - 1 - at] for at in range(1, padding + 1)]
    forward = filter_once([*left, *row, *right], sections)
    both = filter_once(forward[::-1], sections)[::-1]
    return both[padding : padding + len(row)]


def running_median(row: Row, window: int, *, reflect: bool) -> list[float]:
    """The median of each sample's neighbourhood; beyond the ends d c b a | a b c d | d c b a, or zeros."""
    half = window // 2
    size = len(row)

    def at(index: int) -> float:
        if 0 <= index < size:
            return row[index]
        if not reflect:
            return 0.0
        index %= 2 * size
        return row[index] if index < size else row[2 * size - 1 - index]

    return [statistics.median(at(index) for index in range(middle - half, middle + half + 1)) for middle in range(size)]


def z_score(row: Row, masked: Sequence[bool]) -> list[float]:
    """Mean 0 and population deviation 1 over what is not masked."""
    known = [value for value, hidden in zip(row, masked, strict=True) if not hidden]
    mean, deviation = statistics.fmean(known), statistics.pstdev(known)
    return [(value - mean) / deviation for value in row]


def min_max(row: Row, masked: Sequence[bool], low: float, high: float) -> list[float]:
    """To low..high over what is not masked."""
    known = [value for value, hidden in zip(row, masked, strict=True) if not hidden]
    return [low + (value - min(known)) * (high - low) / (max(known) - min(known)) for value in row]


def bridge_gaps(row: Row, longest: int) -> tuple[list[float], list[bool]]:
    """Each gap by a line between its neighbours, or the nearest value; and which samples stay unknown."""
    known = [at for at, value in enumerate(row) if math.isfinite(value)]
    values, unknown = list(row), [False] * len(row)
    if not known:
        return [0.0] * len(row), [len(row) > longest] * len(row)
    for at in range(len(row)):
        if math.isfinite(row[at]):
            continue
        before = max((index for index in known if index < at), default=None)
        after = min((index for index in known if index > at), default=None)
        if before is None or after is None:
            nearest = after if before is None else before
            assert nearest is not None
            values[at] = row[nearest]
        else:
            values[at] = row[before] + (row[after] - row[before]) * (at - before) / (after - before)
        first = -1 if before is None else before
        stop = len(row) if after is None else after
        unknown[at] = stop - first - 1 > longest
    return values, unknown


def settled(row: Row, unknown: Sequence[bool], neutral: float) -> list[float]:
    """What is known, and `neutral` for the rest."""
    return [neutral if gap else value for value, gap in zip(row, unknown, strict=True)]


def scaled(row: Row, factor: float) -> list[float]:
    """Every value times a factor."""
    return [value * factor for value in row]
