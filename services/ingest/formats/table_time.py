"""Time columns of text tables: which column it is, and the sampling rate that it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precordia.errors import InvalidArgument, UnreadableFile
from precordia.record import Hints
from services.ingest.formats.fact_names import ColumnTitle

_SLOWEST_STEP_S = 0.1
_EVEN = 0.51
"""Largest deviation of one step, in steps: what rounding of printed times can do."""


@dataclass(frozen=True)
class TimeColumn:
    """The column of times or row numbers (None: there is none), and the rate it gives, if any."""

    index: int | None
    sample_rate_hz: float | None = None
    transforms: tuple[str, ...] = ()


def find_time(values: NDArray[np.float64], titles: Sequence[ColumnTitle], hints: Hints, *, clock: bool) -> TimeColumn:
    """The time column among `values` (rows, columns).

    Args:
        values: the whole table.
        titles: of the columns; empty where the table has none.
        hints: may name the column, or say that there is none.
        clock: the first column was written as times of day, so its unit is the second.
    """
    if hints.time_column is not None and hints.time_column >= values.shape[1]:
        raise InvalidArgument(f"There is no column {hints.time_column}; counting begins at 0.", field="time_column")
    if hints.time_column is not None:
        index = hints.time_column if hints.time_column >= 0 else None
    else:
        index = _titled(titles) if titles else _regular(values)
    if index is None:
        return TimeColumn(None)
    title = titles[index] if titles else ColumnTitle("")
    seconds = 1.0 if clock and index == 0 else title.seconds
    rate = None if title.is_counter else _rate(values[:, index], seconds)
    return TimeColumn(index, rate, (f"table.time_column_removed:{index}",))


def _titled(titles: Sequence[ColumnTitle]) -> int | None:
    for index, title in enumerate(titles):
        if title.is_time:
            return index
    return 0 if titles[0].is_counter and len(titles) > 1 else None


def _regular(values: NDArray[np.float64]) -> int | None:
    """The first column, if it climbs in even steps, as no lead of an ECG does."""
    if values.shape[1] < 2 or values.shape[0] < 8:
        return None
    steps = np.diff(values[:, 0])
    step = float(steps.mean())
    if not step > 0 or not np.isfinite(step):
        return None
    return 0 if bool(np.all(np.abs(steps - step) <= _EVEN * step)) and bool(np.all(steps > 0)) else None


def _rate(times: NDArray[np.float64], seconds: float | None) -> float | None:
    """Samples per second; None where the unit of time is not known and steps are too long for seconds.

    A step below 0.1 without a unit is in seconds: as milliseconds it would mean more than 10 kHz.
    """
    if times.size < 2:
        return None
    span = float(times[-1] - times[0])
    step = span / (times.size - 1)
    if not (np.isfinite(span) and step > 0):
        raise UnreadableFile("The time column does not climb.", format="csv", field="time_column")
    even = times[0] + step * np.arange(times.size)
    if not bool(np.all(np.abs(times - even) <= _EVEN * step)):
        raise UnreadableFile("The time column has gaps or uneven steps.", format="csv", field="time_column")
    if seconds is None:
        if step > _SLOWEST_STEP_S:
            return None
        seconds = 1.0
    return _as_printed(1 / (step * seconds), times, step)


def _as_printed(rate: float, times: NDArray[np.float64], step: float) -> float:
    """The whole number of Hz that the printed times mean, if rounding explains the difference."""
    blur = step / max(1.0, float(times.size - 1))
    whole = round(rate)
    close = whole > 0 and abs(rate - whole) <= max(rate * blur / step, 1e-9 * rate)
    return float(whole) if close else rate
