"""Compiled inner loops of `precordia.signal.quality`. Plain arrays in and out; rows are leads.

Each runs on the caller's thread alone and releases the GIL. The obvious twins are in
`tests/naive_quality.py`.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from precordia.signal._light_imports import numba

Rows32 = NDArray[np.float32]
Rows64 = NDArray[np.float64]
Places = NDArray[np.intp]

MISSING, FLAT, CLIPPED = 0, 1, 2

WAVES = 16
"""Columns that a block is multiplied with; a fixed number, whole vectors of any processor."""


def _compiled(function: Any) -> Any:
    return cast(Any, numba.njit(nogil=True, cache=True, error_model="numpy"))(function)


@_compiled
def _median(values: Any) -> float:
    """The median of a few values, which are put in order in place."""
    for at in range(1, values.size):
        value, slot = values[at], at
        while slot > 0 and values[slot - 1] > value:
            values[slot] = values[slot - 1]
            slot -= 1
        values[slot] = value
    middle = values.size // 2
    return float(values[middle]) if values.size % 2 else (float(values[middle - 1]) + float(values[middle])) / 2


@_compiled
def lost_samples(rows: Rows32, flat_run: int, tolerance: float, clip_run: int, edge: int, steep: float) -> Places:
    """Samples that say nothing, (rows, 3): missing, on a flat line, at the rail. Fills what is missing, in place.

    A flat line is a run of `flat_run` samples or more that stay within `tolerance` of its first. A rail
    is the largest or the smallest value of a row, where it is held for `clip_run` samples or more, is
    no flat line, and is steeply reached or left: `edge` samples before or after it, the row is away from
    it by more than `steep` times its range. A missing sample takes the value before it (the first ones
    the first value there is, a row without any 0).
    """
    counts = np.zeros((rows.shape[0], 3), np.intp)
    for index in range(rows.shape[0]):
        row = rows[index]
        if _may_be_flat(row, (flat_run + 1) // 2, 2 * tolerance):
            counts[index, FLAT] = _flat(row, flat_run, tolerance)
        counts[index, MISSING] = _fill(row)
        least, most = row[0], row[0]
        for at in range(row.size):
            least, most = min(least, row[at]), max(most, row[at])
        counts[index, CLIPPED] = _clipped(row, least, most, flat_run, clip_run, edge, steep * (most - least))
    return counts


@_compiled
def _may_be_flat(row: Rows32, block: int, spread: float) -> bool:
    """Whether any block of the row spreads by so little. A flat line of twice a block's length holds one."""
    for first in range(0, row.size - block + 1, block):
        least, most = np.float32(np.inf), np.float32(-np.inf)
        still = True
        for at in range(first, first + block):
            least, most = min(least, row[at]), max(most, row[at])
            if most - least > spread:
                still = False
                break
        if still:
            return True
    return False


@_compiled
def _flat(row: Rows32, flat_run: int, tolerance: float) -> int:
    """Samples in long runs that stay near their first. What is missing belongs to no run: it compares as false."""
    flat, start, level = 0, 0, row[0]
    for at in range(row.size):
        if not abs(row[at] - level) <= tolerance:
            if at - start >= flat_run:
                flat += at - start
            start, level = at, row[at]
    if row.size - start >= flat_run:
        flat += row.size - start
    return flat


@_compiled
def _fill(row: Rows32) -> int:
    """Give missing samples the value before them; returns how many there were."""
    missing, held = 0, np.float32(0.0)
    for at in range(row.size):
        if np.isfinite(row[at]):
            held = row[at]
            break
    for at in range(row.size):
        if np.isfinite(row[at]):
            held = row[at]
        else:
            row[at] = held
            missing += 1
    return missing


@_compiled
def _clipped(row: Rows32, least: float, most: float, flat_run: int, clip_run: int, edge: int, away: float) -> int:
    """Samples in runs at the rails that are long, no flat line, and steeply reached or left."""
    clipped, at = 0, 0
    while at < row.size:
        rail = row[at]
        if least < rail < most:
            at += 1
            continue
        start = at
        while at < row.size and row[at] == rail:
            at += 1
        if clip_run <= at - start < flat_run:
            ahead, behind = row[max(start - edge, 0)], row[min(at + edge - 1, row.size - 1)]
            if max(abs(ahead - rail), abs(behind - rail)) > away:
                clipped += at - start
    return clipped


@_compiled
def rest_powers(rows: Rows32, width: int, block: int) -> Rows64:
    """Mean square of each row minus its moving mean over `width` (odd) samples, (rows, blocks of `block` samples)."""
    half = width // 2
    blocks = max((rows.shape[1] - 2 * half) // block, 0)
    powers = np.empty((rows.shape[0], blocks))
    scale = np.float32(1.0 / width)
    for index in range(rows.shape[0]):
        row = rows[index]
        total = np.float64(0.0)
        for at in range(width - 1):
            total += row[at]
        for part in range(blocks):
            power = 0.0
            for at in range(half + part * block, half + (part + 1) * block):
                total += row[at + half]
                rest = row[at] - total * scale
                power += rest * rest
                total -= row[at - half]
            powers[index, part] = power / block
    return powers


@_compiled
def block_products(rows: Rows32, waves: Rows32, blocks: int) -> Rows32:
    """Each block of each row times each of `WAVES` columns of `waves`, (rows, blocks, WAVES).

    A library's matrix product would wake its threads for it, which takes longer than the work.
    """
    block = waves.shape[0]
    products = np.empty((rows.shape[0], blocks, WAVES), np.float32)
    for index in range(rows.shape[0]):
        row = rows[index]
        for part in range(blocks):
            total = np.zeros(WAVES, np.float32)
            first = part * block
            whole = block - block % 4
            # Four samples at once: the sums are loaded and stored a fourth as often.
            for at in range(0, whole, 4):
                one, two = row[first + at], row[first + at + 1]
                three, four = row[first + at + 2], row[first + at + 3]
                for column in range(WAVES):
                    total[column] += (
                        one * waves[at, column]
                        + two * waves[at + 1, column]
                        + three * waves[at + 2, column]
                        + four * waves[at + 3, column]
                    )
            for at in range(whole, block):
                for column in range(WAVES):
                    total[column] += row[first + at] * waves[at, column]
            products[index, part] = total
    return products


@_compiled
def line_levels(products: Rows32, turned: Rows32, span: int) -> Rows64:
    """Size of each line in each span, (rows, lines, spans).

    Args:
        products: (rows, blocks, WAVES); cosine and sine of line i in columns 1 + 2i and 2 + 2i.
        turned: (blocks, lines, 2), cosine and sine of how far each line has turned at a block's start.
        span: blocks of a span, within which the median of each component is taken.
    """
    rows, blocks = products.shape[0], products.shape[1]
    lines, spans = turned.shape[1], blocks // span
    levels = np.empty((rows, lines, spans))
    real, imaginary = np.empty(span, np.float32), np.empty(span, np.float32)
    for row in range(rows):
        for line in range(lines):
            for part in range(spans):
                for at in range(span):
                    block = part * span + at
                    x, y = products[row, block, 1 + 2 * line], products[row, block, 2 + 2 * line]
                    cosine, sine = turned[block, line, 0], turned[block, line, 1]
                    real[at] = x * cosine + y * sine
                    imaginary[at] = y * cosine - x * sine
                levels[row, line, part] = np.sqrt(_median(real) ** 2 + _median(imaginary) ** 2)
    return levels


@_compiled
def residuals(rows: Rows32, weights: Rows32) -> Rows64:
    """For each line of `weights` the standard deviation and the largest deviation of the weighted sum of rows."""
    result = np.zeros((weights.shape[0], 2))
    total = np.empty(rows.shape[1], np.float32)
    for index in range(weights.shape[0]):
        total[:] = 0.0
        for row in range(rows.shape[0]):
            weight = weights[index, row]
            if weight != 0.0:
                for at in range(total.size):
                    total[at] += weight * rows[row, at]
        whole = 0.0
        for at in range(total.size):
            whole += total[at]
        mean = whole / max(total.size, 1)
        squares, most = 0.0, 0.0
        for at in range(total.size):
            rest = abs(total[at] - mean)
            squares += rest * rest
            most = max(most, rest)
        result[index, 0] = np.sqrt(squares / max(total.size, 1))
        result[index, 1] = most
    return result


@_compiled
def steepness(rows: Rows32, reach: int) -> Rows32:
    """How fast all rows together move: the sum of |x[t + reach] - x[t - reach]|, (samples,), 0 at the ends."""
    total = np.zeros(rows.shape[1], np.float32)
    for index in range(rows.shape[0]):
        row = rows[index]
        for at in range(reach, row.size - reach):
            total[at] += abs(row[at + reach] - row[at - reach])
    return total


@_compiled
def beat_places(speed: Rows32, smooth: int, apart: int, share: float) -> Places:
    """Middles of the steepest places, `apart` samples or more from each other.

    `speed` is summed over `smooth` samples; a beat is a local maximum above `share` of the median of
    the maxima of sections of six times `apart`.
    """
    size = speed.size
    summed = np.zeros(size, np.float32)
    total = np.float64(0.0)
    half = smooth // 2
    for at in range(size):
        total += speed[at]
        if at >= smooth:
            total -= speed[at - smooth]
        if at >= half:
            summed[at - half] = total
    section = max(6 * apart, 1)
    sections = max(size // section, 1)
    peaks = np.empty(sections)
    for index in range(sections):
        most = np.float32(0.0)
        for at in range(index * section, min((index + 1) * section, size)):
            most = max(most, summed[at])
        peaks[index] = most
    limit = share * _median(peaks)
    found = np.empty(size // max(apart, 1) + 2, np.intp)
    count, last, best = 0, -apart, np.float32(0.0)
    for at in range(size):
        value = summed[at]
        if value <= limit or value <= 0.0:
            continue
        if at - last >= apart:
            found[count] = at
            count += 1
            last, best = at, value
        elif value > best:
            found[count - 1] = at
            last, best = at, value
    return found[:count]


@_compiled
def median_beats(rows: Rows32, places: Places, before: int, bins: int, width: int) -> Rows32:
    """The median over beats, (rows, bins): each bin the mean of `width` samples, from `before` samples ahead on.

    Every place lies far enough from the ends.
    """
    beats = np.empty((rows.shape[0], bins), np.float32)
    heights = np.empty(places.size, np.float32)
    for index in range(rows.shape[0]):
        row = rows[index]
        for position in range(bins):
            for beat in range(places.size):
                start = places[beat] - before + position * width
                total = np.float32(0.0)
                for at in range(start, start + width):
                    total += row[at]
                # Inserted in order: a handful of beats is sorted fastest so.
                slot = beat
                while slot > 0 and heights[slot - 1] > total:
                    heights[slot] = heights[slot - 1]
                    slot -= 1
                heights[slot] = total
            middle = places.size // 2
            median = heights[middle]
            if places.size % 2 == 0:
                median = (heights[middle - 1] + heights[middle]) * np.float32(0.5)
            beats[index, position] = median / np.float32(width)
    return beats
