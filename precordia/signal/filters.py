"""Filters: zero-phase second-order sections, and the running median.

Zero-phase means forward and backward over the signal, odd-extended by scipy's default length, so
that results equal `scipy.signal.sosfiltfilt`; shorter signals are extended by what they have.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from precordia.errors import ConditioningConflict, InvalidManifest
from precordia.signal import _median_kernels, _section_kernels, butterworth
from precordia.steps import Step

_NEAR_NYQUIST = 0.99
"""From this share of the Nyquist frequency on, an upper edge has nothing left to remove."""


@dataclass(frozen=True, eq=False)
class ZeroPhase:
    """A designed filter.

    Attributes:
        sections: (n, 6), second-order sections.
        initial: (n, 2), state that a step of height 1 settles in.
        padding: samples that each end is extended by.
        remark: what the design had to leave out; empty where it is just what was asked for.
    """

    sections: NDArray[np.float64]
    initial: NDArray[np.float64]
    padding: int
    remark: str = ""

    def run(self, rows: NDArray[np.float32]) -> None:
        """Filter rows (rows, samples) in place."""
        padding = min(self.padding, rows.shape[1] - 1)
        _section_kernels.filter_zero_phase(rows, self.sections, self.initial, padding)


def _zero_phase(sections: NDArray[np.float64], remark: str = "") -> ZeroPhase:
    first_order = int((sections[:, 5] == 0).sum())
    return ZeroPhase(sections, butterworth.settled_state(sections), 3 * (2 * len(sections) + 1 - first_order), remark)


@lru_cache(maxsize=256)
def designed(step: Step, sample_rate_hz: float) -> ZeroPhase | None:
    """The filter of a notch, band_pass, high_pass or low_pass step at a rate; None where it has nothing to do.

    Raises:
        ConditioningConflict: a signal of this rate has nothing in the band that the step keeps.
        InvalidManifest: the step's edges make no filter.
    """
    nyquist = sample_rate_hz / 2
    if step.name == "notch":
        return _notch(step, nyquist)
    low = {"band_pass": "low_hz", "high_pass": "cutoff_hz"}.get(step.name)
    high = {"band_pass": "high_hz", "low_pass": "cutoff_hz"}.get(step.name)
    low_hz = step.number(low) if low else None
    high_hz = step.number(high) if high else None
    _check_edges(step, low_hz, high_hz, nyquist)
    if high_hz is not None and high_hz >= _NEAR_NYQUIST * nyquist:
        return _without_upper_edge(step, low_hz, high_hz, nyquist)
    return _butterworth(step, low_hz, high_hz, nyquist)


def _check_edges(step: Step, low_hz: float | None, high_hz: float | None, nyquist: float) -> None:
    edges = [edge for edge in (low_hz, high_hz) if edge is not None]
    if min(edges) <= 0 or edges != sorted(set(edges)):
        raise InvalidManifest(f"Step '{step.name}' needs edges above 0 Hz, the lower one first.", field=step.name)
    if low_hz is not None and low_hz >= _NEAR_NYQUIST * nyquist:
        raise ConditioningConflict(
            f"Step '{step.name}' keeps what is above {low_hz:g} Hz, and a signal of "
            f"{2 * nyquist:g} Hz has nothing there. Send the recording at a higher rate.",
            step=step.name,
        )


def _without_upper_edge(step: Step, low_hz: float | None, high_hz: float, nyquist: float) -> ZeroPhase | None:
    remark = f"A signal of {2 * nyquist:g} Hz ends at {nyquist:g} Hz: the upper edge of {high_hz:g} Hz removes nothing."
    if low_hz is None:
        return None
    return _butterworth(step, low_hz, None, nyquist, remark)


def _order(step: Step) -> int:
    order = step.number("order")
    if order != int(order) or not 1 <= order <= 12:
        raise InvalidManifest(f"Step '{step.name}' needs a whole order from 1 to 12.", field=f"{step.name}.order")
    return int(order)


def _butterworth(
    step: Step, low_hz: float | None, high_hz: float | None, nyquist: float, remark: str = ""
) -> ZeroPhase:
    sections = butterworth.butterworth(_order(step), low_hz=low_hz, high_hz=high_hz, sample_rate_hz=2 * nyquist)
    return _zero_phase(sections, remark)


def _notch(step: Step, nyquist: float) -> ZeroPhase | None:
    frequency, quality = step.number("frequency_hz"), step.number("quality")
    if frequency <= 0 or quality <= 0:
        raise InvalidManifest("Step 'notch' needs a frequency and a quality above 0.", field="notch")
    if frequency >= _NEAR_NYQUIST * nyquist:
        return None
    return _zero_phase(butterworth.notch(frequency, quality, sample_rate_hz=2 * nyquist))


def median_window(window_s: float, sample_rate_hz: float) -> int:
    """The number of samples of a time, made odd upwards, at least 3.

    Raises:
        InvalidManifest: the time is none.
    """
    if window_s <= 0:
        raise InvalidManifest("Step 'median_baseline' needs a window above 0 s.", field="median_baseline.window_s")
    return max(3, round(window_s * sample_rate_hz) | 1)


def subtract_median(rows: NDArray[np.float32], window: int, *, reflect: bool = True) -> None:
    """Subtract a running median over `window` samples (odd) from rows (rows, samples), in place.

    With `reflect` the median equals `scipy.ndimage.median_filter(mode="reflect")`, without it
    `scipy.signal.medfilt`, which takes zeros beyond the ends.
    """
    _median_kernels.subtract_running_median(rows, window, reflect)
