"""Drawing in braille: two by four dots a character cell.

A trace becomes, for each column of dots, the span between its lowest and its highest sample there; at
magnifications where samples are further apart than dots, the straight line between them.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

DOTS_X, DOTS_Y = 2, 4
BLANK = 0x2800

# Bits of a braille character by row and column of its dots (Unicode 2800-28FF).
_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.uint8)

Cells = NDArray[np.uint8]
Spans = tuple[NDArray[np.float64], NDArray[np.float64]]


def spans(values: NDArray[np.float32], *, sample_rate_hz: float, start_s: float, dot_s: float, dots: int) -> Spans:
    """Lowest and highest value of each column of dots, NaN where there is no sample.

    Neighbouring columns meet half way, so that a steep stroke has no gap.
    """
    edges = (start_s + dot_s * np.arange(dots + 1)) * sample_rate_hz
    if dot_s * sample_rate_hz >= 1:
        low, high = _extremes(values, np.rint(edges).astype(np.int64))
    else:
        low = high = _between_samples(values, (edges[:-1] + edges[1:]) / 2)
    return _joined(low, high)


def _extremes(values: NDArray[np.float32], edges: NDArray[np.int64]) -> Spans:
    low = np.full(edges.size - 1, np.nan)
    high = low.copy()
    inside = (edges[:-1] >= 0) & (edges[:-1] < values.size)
    if inside.any():
        first = edges[:-1][inside]
        stop = min(int(edges[1:][inside][-1]), values.size)
        part = values[first[0] : stop]
        starts = first - first[0]
        low[inside] = np.fmin.reduceat(part, starts)
        high[inside] = np.fmax.reduceat(part, starts)
    return low, high


def _between_samples(values: NDArray[np.float32], at: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.interp(at, np.arange(values.size), values, left=np.nan, right=np.nan)


def _joined(low: NDArray[np.float64], high: NDArray[np.float64]) -> Spans:
    above = (high[:-1] + low[1:]) / 2
    below = (low[:-1] + high[1:]) / 2
    joined_low, joined_high = low.copy(), high.copy()
    joined_high[1:] = np.fmax(joined_high[1:], np.where(low[1:] <= high[:-1], above, joined_high[1:]))
    joined_low[:-1] = np.fmin(joined_low[:-1], np.where(low[:-1] > high[1:], below, joined_low[:-1]))
    joined_high[:-1] = np.fmax(joined_high[:-1], np.where(high[:-1] < low[1:], above, joined_high[:-1]))
    joined_low[1:] = np.fmin(joined_low[1:], np.where(low[1:] > high[:-1], above, joined_low[1:]))
    return joined_low, joined_high


def zero_dot(rows: int) -> int:
    """The row of dots that 0 mV stands on: inside the middle cell, so that a quiet line stays in one cell."""
    return rows // 2 * DOTS_Y + 2


def drawn(low: NDArray[np.float64], high: NDArray[np.float64], *, rows: int, row_mv: float) -> Cells:
    """Braille bits (rows, columns) of spans in millivolts; 0 mV stands on `zero_dot`.

    Args:
        low: lowest value of each column of dots, an even number of them.
        high: highest value of each.
        rows: character rows.
        row_mv: millivolts that a row stands for.
    """
    dots = rows * DOTS_Y
    per_mv = DOTS_Y / row_mv
    with np.errstate(invalid="ignore"):
        top = np.rint(zero_dot(rows) - high * per_mv)
        bottom = np.rint(zero_dot(rows) - low * per_mv)
    line = np.arange(dots)[:, None]
    return packed((line >= top) & (line <= bottom))


def packed(on: NDArray[np.bool_]) -> Cells:
    """Dots (rows * 4, columns * 2) as braille bits (rows, columns)."""
    rows, columns = on.shape[0] // DOTS_Y, on.shape[1] // DOTS_X
    cells = on.reshape(rows, DOTS_Y, columns, DOTS_X) * _BITS[:, None, :]
    bits: Cells = np.bitwise_or.reduce(np.bitwise_or.reduce(cells, axis=1), axis=2)
    return bits


@lru_cache(maxsize=64)
def paper(rows: int, columns: int, phase: int, box: int) -> Cells:
    """The boxes of ECG paper as braille bits (rows, columns): lines of single dots, `box` dots apart.

    Args:
        rows: character rows.
        columns: character columns.
        phase: dots from the left edge back to the last vertical line.
        box: dots of a large box, in both directions. One horizontal line is at 0 mV.
    """
    x = np.arange(columns * DOTS_X)[None, :] + phase
    y = np.arange(rows * DOTS_Y)[:, None] - zero_dot(rows)
    upright = (x % box == 0) & (y % 2 == 0)
    level = (y % box == 0) & (x % 2 == 0)
    cells = packed(upright | level)
    cells.setflags(write=False)
    return cells


def calibration(rows: int, *, column_s: float, row_mv: float) -> Cells:
    """The calibration mark, 1 mV by 200 ms, standing on 0 mV, or lower where it would not fit above."""
    width, height = round(0.2 / column_s * DOTS_X), round(DOTS_Y / row_mv)
    columns = -(-(width + 4) // DOTS_X)
    on = np.zeros((rows * DOTS_Y, columns * DOTS_X), np.bool_)
    base = min(max(zero_dot(rows), height), rows * DOTS_Y - 1)
    top = base - height
    on[base, :2] = on[base, width + 1 : width + 4] = True
    on[max(top, 0) : base + 1, (1, width + 1)] = True
    if top >= 0:
        on[top, 1 : width + 2] = True
    return packed(on)
