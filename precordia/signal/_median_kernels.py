"""The running median, compiled: windows as sets of ranks, one bit each. Twin: `tests/naive.py`.

The samples of some windows' length are ranked together. The median is the rank that has half of the
window's bits below it, and a step of the window, which takes out one sample and puts in another,
moves it to the next bit above, the next below, or not at all.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from precordia.signal._bits import zeros_above, zeros_below
from precordia.signal._light_imports import numba

COMPILED_WITH = "63a23805282eb693"
"""Of the file whose functions become part of what is compiled here; tests/contract/test_compiled_sources.py."""

Rows32 = NDArray[np.float32]
Keys = NDArray[np.int64]
Words = NDArray[np.uint64]

TOGETHER = 4
"""Rows whose windows move in turns: each step waits for the one before, and meanwhile the others go on."""

_WINDOWS = 8
"""Windows that are ranked together: more sort fewer samples twice, fewer step over fewer bits."""

_ONE = np.uint64(1)
_LOW_BITS, _SIGN_KEPT, _SIGN = 0xFFFFFFFF, np.int32(0x7FFFFFFF), np.int32(31)


def _compiled(function: Any) -> Any:
    return cast(Any, numba.njit(nogil=True, cache=True, error_model="numpy"))(function)


@_compiled
def extended(rows: Rows32, half: int, reflect: bool) -> Rows32:
    """Rows with `half` samples more at each end: reflected, the last sample twice, or zeros."""
    samples = rows.shape[1]
    out = np.zeros((rows.shape[0], samples + 2 * half), np.float32)
    for row in range(rows.shape[0]):
        out[row, half : half + samples] = rows[row]
        for away in range(half if reflect else 0):
            at = away % (2 * samples)
            at = at if at < samples else 2 * samples - 1 - at
            out[row, half - 1 - away] = rows[row, at]
            out[row, half + samples + away] = rows[row, samples - 1 - at]
    return out


@_compiled
def sort_keys(rows: Rows32) -> Keys:
    """Integers that sort as the samples do, and hold each sample's place in their low 32 bits."""
    keys = np.empty(rows.shape, np.int64)
    for row in range(rows.shape[0]):
        bits = rows[row].view(np.int32)
        for at in range(bits.size):
            ordered = bits[at] ^ ((bits[at] >> _SIGN) & _SIGN_KEPT)
            keys[row, at] = (np.int64(ordered) << np.int64(32)) | np.int64(at)
    return keys


@_compiled
def _rank(keys: Keys, window: int, rank: NDArray[np.int32], values: Rows32, inside: Words) -> int:
    """Ranks and sorted values of one row, the bits of its first window, and the rank of that one's median.

    Args:
        keys: (samples,), sorted.
        window: samples of a window, odd.
        rank: out, (samples,).
        values: out, (samples,), by rank.
        inside: out, (samples / 64 and one more,), all 0 before.
    """
    ordered = values.view(np.int32)
    for place in range(keys.size):
        rank[keys[place] & _LOW_BITS] = place
        bits = np.int32(keys[place] >> np.int64(32))
        ordered[place] = bits ^ ((bits >> _SIGN) & _SIGN_KEPT)
    for at in range(window):
        inside[rank[at] >> 6] |= _ONE << np.uint64(rank[at] & 63)
    median, below = -1, -1
    while below < window // 2:
        median += 1
        below += int((inside[median >> 6] >> np.uint64(median & 63)) & _ONE)
    return median


@_compiled
def _step(inside: Words, old: int, new: int, median: int) -> int:
    """Takes the rank `old` out and puts `new` in; the median's rank from then on."""
    inside[old >> 6] &= ~(_ONE << np.uint64(old & 63))
    inside[new >> 6] |= _ONE << np.uint64(new & 63)
    up, down = (old <= median) & (new > median), (old >= median) & (new < median)
    if not (up or down):
        return median
    place, bit = median >> 6, _ONE << np.uint64(median & 63)
    found = inside[place] & (~(bit | (bit - _ONE)) if up else bit - _ONE)
    while found == 0:
        place += 1 if up else -1
        found = inside[place]
    return (place << 6) + (int(zeros_below(found)) if up else 63 - int(zeros_above(found)))


@_compiled
def subtract_medians(rows: Rows32, keys: Keys, window: int) -> None:
    """Subtracts the running median from some rows, in place.

    Args:
        rows: (rows, samples), up to `TOGETHER` rows.
        keys: (rows, samples + window - 1), sorted.
        window: samples of a window, odd.
    """
    count, size = keys.shape
    inside = np.zeros((TOGETHER, size // 64 + 1), np.uint64)
    rank = np.empty((TOGETHER, size), np.int32)
    values = np.empty((TOGETHER, size), np.float32)
    medians = np.zeros(TOGETHER, np.int64)
    for row in range(count):
        medians[row] = _rank(keys[row], window, rank[row], values[row], inside[row])
        rows[row, 0] -= values[row, medians[row]]
    for at in range(1, rows.shape[1]):
        for row in range(count):
            old, new = rank[row, at - 1], rank[row, at + window - 1]
            medians[row] = _step(inside[row], old, new, medians[row])
            rows[row, at] -= values[row, medians[row]]


def subtract_running_median(rows: Rows32, window: int, reflect: bool) -> None:
    """Rows minus their running median over an odd `window`, in place; beyond the ends reflected, or zero.

    In blocks of some windows' length: ranks stay dense, and long recordings need little memory.
    """
    whole = extended(rows, window // 2, reflect)
    stride = _WINDOWS * window
    for first in range(0, rows.shape[1], stride):
        stop = min(first + stride, rows.shape[1])
        for top in range(0, rows.shape[0], TOGETHER):
            keys = sort_keys(whole[top : top + TOGETHER, first : stop + window - 1])
            keys.sort(axis=1)
            subtract_medians(rows[top : top + TOGETHER, first:stop], keys, window)
