"""Compiled inner loops. Plain arrays in and out; rows are leads (of one record, or of many).

Every kernel releases the GIL and runs on the caller's thread alone: callers come from several
Python threads, and numba's default threading layer must not be entered twice. The obvious twins
are in `tests/naive.py`.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from precordia.signal._light_imports import numba, rocket_fft

Rows32 = NDArray[np.float32]
Flags = NDArray[np.bool_]
Spectrum = NDArray[np.complex64]
Indices = NDArray[np.intp]

_FFT_ROWS = 8
"""Rows a transform takes at once: as many as its SIMD, few enough to stay in the cache."""

_LAST_AXIS = np.array([1])


def _compiled(function: Any) -> Any:
    return cast(Any, numba.njit(nogil=True, cache=True, error_model="numpy"))(function)


@_compiled
def _to_spectrum(block: Rows32, spectrum: Spectrum) -> None:
    rocket_fft.r2c(block, spectrum, _LAST_AXIS, True, 1.0, 1)


@_compiled
def _from_spectrum(spectrum: Spectrum, out: Rows32, scale: float) -> None:
    rocket_fft.c2r(spectrum, out, _LAST_AXIS, False, scale, 1)


if cast(Any, numba).config.DISABLE_JIT:
    # rocket-fft's transforms exist only in compiled code; scipy's are the same ones (pocketfft).
    import scipy.fft

    def _to_spectrum(block: Rows32, spectrum: Spectrum) -> None:
        spectrum[:] = scipy.fft.rfft(block)

    def _from_spectrum(spectrum: Spectrum, out: Rows32, scale: float) -> None:
        out[:] = scipy.fft.irfft(spectrum, out.shape[1], norm="forward") * np.float32(scale)


@_compiled
def _respace(block: Rows32, spectrum: Spectrum, fitted: Spectrum, out: Rows32) -> None:
    """Rows of one period into `out`, at its number of samples for that period; the rest is scratch."""
    period, length = block.shape[1], out.shape[1]
    _to_spectrum(block, spectrum)
    kept = min(length, period)
    bins = kept // 2 + 1
    for row in range(block.shape[0]):
        source, target = spectrum[row], fitted[row]
        for at in range(bins):
            target[at] = source[at]
        for at in range(bins, target.size):
            target[at] = 0.0
        if kept % 2 == 0 and length != period:
            # The bin at the lower Nyquist frequency stands for two frequencies, or for one.
            target[bins - 1] *= np.float32(2.0 if length < period else 0.5)
    _from_spectrum(fitted, out, 1.0 / period)


@_compiled
def resample_periodic(rows: Rows32, out: Rows32) -> None:
    """FFT resampling that takes each row for one period: (rows, n) into (rows, m)."""
    block = min(_FFT_ROWS, rows.shape[0])
    spectrum = np.empty((block, rows.shape[1] // 2 + 1), np.complex64)
    fitted = np.empty((block, out.shape[1] // 2 + 1), np.complex64)
    for first in range(0, rows.shape[0], _FFT_ROWS):
        last = min(first + _FFT_ROWS, rows.shape[0])
        _respace(rows[first:last], spectrum[: last - first], fitted[: last - first], out[first:last])


@_compiled
def _continue_row(row: Rows32, target: Rows32, margin: int, slope: float, ramp: Rows32, taper: Rows32) -> None:
    """A row without its line, both ends continued, into `target`; what lies further out is left as it is."""
    samples = row.size
    body = target[margin : margin + samples]
    level, rise = row[0], np.float32(slope)
    for at in range(samples):
        body[at] = row[at] - (level + rise * ramp[at])
    left = target[margin - taper.size : margin]
    right = target[margin + samples : margin + samples + taper.size]
    for at in range(taper.size):
        left[taper.size - 1 - at] = -taper[at] * body[at + 1]
        right[at] = -taper[at] * body[samples - 2 - at]


@_compiled
def resample_continued(
    rows: Rows32,
    out: Rows32,
    taper: Rows32,
    ramp: Rows32,
    margin: int,
    period: int,
    out_margin: int,
    out_period: int,
) -> None:
    """FFT resampling without a jump where the period closes.

    The line from the first to the last sample is taken off, each end is continued by its odd
    reflection faded out by `taper`, the whole is padded with zeros to `period`, resampled to
    `out_period`, cropped from `out_margin` on, and the line is put back. `ramp` counts 0, 1, 2 ...
    """
    samples = rows.shape[1]
    count = min(_FFT_ROWS, rows.shape[0])
    block = np.zeros((count, period), np.float32)
    spectrum = np.empty((count, period // 2 + 1), np.complex64)
    fitted = np.empty((count, out_period // 2 + 1), np.complex64)
    spaced = np.empty((count, out_period), np.float32)
    for first in range(0, rows.shape[0], _FFT_ROWS):
        size = min(_FFT_ROWS, rows.shape[0] - first)
        for index in range(size):
            row = rows[first + index]
            slope = (row[samples - 1] - row[0]) / max(samples - 1, 1)
            _continue_row(row, block[index], margin, slope, ramp, taper)
        _respace(block[:size], spectrum[:size], fitted[:size], spaced[:size])
        for index in range(size):
            row, target = rows[first + index], out[first + index]
            rise = np.float32((row[samples - 1] - row[0]) / max(samples - 1, 1) * period / out_period)
            level, source = row[0], spaced[index, out_margin : out_margin + target.size]
            for at in range(target.size):
                target[at] = source[at] + (level + rise * ramp[at])


@_compiled
def z_score(rows: Rows32, masked: Flags, group: int, flat_below: float) -> Flags:
    """Each group of rows to mean 0 and population deviation 1 over what is not masked, in place.

    Returns:
        (groups,), True where there was nothing to scale: such a group becomes 0.
    """
    flat = np.zeros(rows.shape[0] // group, np.bool_)
    for index in range(flat.size):
        block = rows[index * group : (index + 1) * group]
        hidden = masked[index * group : (index + 1) * group]
        count, total = 0, 0.0
        for row in range(group):
            for at in range(block.shape[1]):
                if not hidden[row, at]:
                    total += float(block[row, at])
                    count += 1
        mean = total / count if count else 0.0
        squares = 0.0
        for row in range(group):
            for at in range(block.shape[1]):
                if not hidden[row, at]:
                    squares += (float(block[row, at]) - mean) ** 2
        deviation = np.sqrt(squares / count) if count else 0.0
        flat[index] = deviation <= flat_below
        factor = 0.0 if flat[index] else 1.0 / deviation
        for row in range(group):
            for at in range(block.shape[1]):
                block[row, at] = (float(block[row, at]) - mean) * factor
    return flat


@_compiled
def min_max(rows: Rows32, masked: Flags, group: int, low: float, high: float, flat_below: float) -> Flags:
    """Each group of rows to low..high over what is not masked, in place.

    Returns:
        (groups,), True where there was nothing to scale: such a group becomes `low`.
    """
    flat = np.zeros(rows.shape[0] // group, np.bool_)
    for index in range(flat.size):
        block = rows[index * group : (index + 1) * group]
        hidden = masked[index * group : (index + 1) * group]
        least, most = np.inf, -np.inf
        for row in range(group):
            for at in range(block.shape[1]):
                if not hidden[row, at]:
                    least = min(least, float(block[row, at]))
                    most = max(most, float(block[row, at]))
        flat[index] = not most - least > flat_below
        factor = 0.0 if flat[index] else (high - low) / (most - least)
        base = 0.0 if flat[index] else least
        for row in range(group):
            for at in range(block.shape[1]):
                block[row, at] = (float(block[row, at]) - base) * factor + low
    return flat


@_compiled
def settle(rows: Rows32, unknown: Flags, neutral: float, out: Rows32) -> None:
    """Writes rows to `out`, (rows, samples), which may be `rows` itself; `neutral` stands where nothing is known."""
    for row in range(rows.shape[0]):
        for at in range(rows.shape[1]):
            out[row, at] = neutral if unknown[row, at] else rows[row, at]


@_compiled
def gather_leads(values: NDArray[np.float32], places: Indices, factor: float, out: NDArray[np.float32]) -> bool:
    """Leads in another order and unit.

    Args:
        values: (records, leads, samples).
        places: for each lead of the result, where it stands in `values`; below 0 it becomes NaN.
        factor: float32, to the result's unit.
        out: (records, places, samples).

    Returns:
        Whether every sample of the result is finite.
    """
    finite = True
    for record in range(out.shape[0]):
        for target in range(out.shape[1]):
            row = out[record, target]
            if places[target] < 0:
                row[:] = np.nan
                finite = False
                continue
            source = values[record, places[target]]
            for at in range(row.size):
                row[at] = source[at] * factor
                finite &= row[at] - row[at] == 0.0
    return finite


@_compiled
def bridge_gaps(rows: Rows32, longest: int) -> Flags:
    """Fill what is not finite, in place: by a line between neighbours, at the ends by the nearest value.

    Returns:
        (rows, samples), True in gaps of more than `longest` samples: bridged, but not known.
    """
    unknown = np.zeros(rows.shape, np.bool_)
    samples = rows.shape[1]
    for row in range(rows.shape[0]):
        at = 0
        while at < samples:
            if np.isfinite(rows[row, at]):
                at += 1
                continue
            stop = at
            while stop < samples and not np.isfinite(rows[row, stop]):
                stop += 1
            _bridge(rows[row], at, stop)
            if stop - at > longest:
                unknown[row, at:stop] = True
            at = stop
    return unknown


@_compiled
def _bridge(row: Rows32, start: int, stop: int) -> None:
    if start == 0 and stop == row.size:
        row[:] = 0.0
        return
    left = row[start - 1] if start > 0 else row[stop]
    right = row[stop] if stop < row.size else left
    for at in range(start, stop):
        row[at] = left + (right - left) * np.float32(at - start + 1) / np.float32(stop - start + 1)
