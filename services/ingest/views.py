"""Views of a recording: the source's own samples, filtered for diagnosis, or at another rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from precordia.errors import InvalidArgument, UnsupportedView
from precordia.record import Unit
from precordia.steps import Step
from services.ingest.sheet import VOLTAGES, Sheet

MAX_RATE_HZ = 100_000.0

DIAGNOSTIC_BAND = Step("band_pass", 1, {"low_hz": 0.05, "high_hz": 150.0, "order": 2.0})
"""What a diagnostic ECG keeps (IEC 60601-2-25: 0.05 to 150 Hz), zero-phase."""


_CONTINUED_S = 20.0
"""Both ends are mirrored for this long: a filter that reaches down to 0.05 Hz settles slowly."""


def raw(sheet: Sheet) -> Sheet:
    """The source's own samples."""
    return sheet


def filtered(sheet: Sheet) -> Sheet:
    """The diagnostic band of every voltage, 0.05 to 150 Hz; other channels stay as they are.

    What was missing stays missing; gaps count as lines meanwhile.

    Raises:
        UnsupportedView: the signal has no physical unit any more.
        ConditioningConflict: the rate is too low to hold anything of the band.
    """
    if Unit.STANDARDISED.value in sheet.units:
        raise UnsupportedView("A standardised signal is past filtering; export the raw view.")
    values = sheet.values.copy()
    chosen = np.array([channel.unit in VOLTAGES for channel in sheet.channels])
    if not chosen.any() or not sheet.samples:
        return sheet
    values[chosen] = _band(values[chosen], sheet.sample_rate_hz)
    made = sheet.with_values(values, sheet.sample_rate_hz, (DIAGNOSTIC_BAND,))
    return replace(made, name=f"{sheet.name}-filtered")


def _band(values: NDArray[np.float32], rate_hz: float) -> NDArray[np.float32]:
    from precordia.signal.filters import designed  # compiled code takes long to load and only views need it

    missing = np.isnan(values)
    rows = np.stack([_bridged(row) for row in values]) if missing.any() else values
    design = designed(DIAGNOSTIC_BAND, rate_hz)
    if design is None or rows.shape[1] < 2:
        return values
    margin = round(_CONTINUED_S * rate_hz)
    continued = np.ascontiguousarray(np.pad(rows, ((0, 0), (margin, margin)), "reflect"))
    design.run(continued)
    shown = continued[:, margin : margin + rows.shape[1]].copy()
    shown[missing] = np.nan
    return shown


def resampled(sheet: Sheet, rate_hz: float) -> Sheet:
    """The sheet at another rate. What was missing stays missing; gaps count as lines meanwhile.

    Raises:
        InvalidArgument: a rate that cannot be.
    """
    check_rate(rate_hz)
    if rate_hz == sheet.sample_rate_hz or not sheet.samples:
        return sheet
    values = at_rate(sheet.values, sheet.sample_rate_hz, rate_hz)
    return sheet.with_values(values, rate_hz, (Step("resample", 1, {"rate_hz": rate_hz}),))


def check_rate(rate_hz: float) -> None:
    """Refuse a rate that cannot be.

    Raises:
        InvalidArgument: it is not positive, or beyond what is made here.
    """
    if not 0 < rate_hz <= MAX_RATE_HZ:
        raise InvalidArgument(f"A rate is above 0 and at most {MAX_RATE_HZ:g} Hz.", field="sample_rate_hz")


def at_rate(rows: NDArray[np.float32], from_hz: float, to_hz: float) -> NDArray[np.float32]:
    """Rows (rows, samples) at another rate, NaN where the nearest sample was missing."""
    from precordia.signal import resample  # compiled code takes long to load and only views need it

    missing = np.isnan(rows)
    filled = np.stack([_bridged(row) for row in rows]) if missing.any() else rows
    values = resample(filled, from_hz=from_hz, to_hz=to_hz)
    if missing.any():
        nearest = np.round(np.arange(values.shape[1]) * from_hz / to_hz).astype(np.int64)
        values[missing[:, np.minimum(nearest, missing.shape[1] - 1)]] = np.nan
    return values


def _bridged(row: NDArray[np.float32]) -> NDArray[np.float32]:
    known = np.flatnonzero(~np.isnan(row))
    if known.size == 0:
        return np.zeros_like(row)
    return np.interp(np.arange(row.size), known, row[known]).astype(np.float32)


VIEWS: dict[str, Callable[[Sheet], Sheet]] = {"raw": raw, "filtered": filtered}
"""Views by name."""
