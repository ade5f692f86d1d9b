"""How large an ECG is, and whether a heart can be so large or so small: what a wrong unit or gain shows first.

Limits. A diagnostic electrocardiograph has to take 10 mV peak to peak (ANSI/AAMI EC11, input dynamic
range +-5 mV); the largest lead of the real ECGs at hand has 6.2 mV. Hearts of children and thick ones, and
pacing spikes, may go beyond, so that only twice that is called impossible. Nothing that beats is below
0.05 mV, half a millimetre on paper, in all leads at once: low voltage in the clinic begins at 0.5 mV
(limb leads) and 1 mV (chest leads).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from precordia.quality import Defect, Finding, Grade

SPAN_S = 2.0
"""Holds a beat of any heart above 30 a minute, and little of a baseline that wanders."""
LARGE_MV, IMPOSSIBLE_MV, FAINT_MV = 10.0, 20.0, 0.05


def spans(values: NDArray[np.float32], rate_hz: float) -> NDArray[np.float64]:
    """Peak to peak in each stretch of two seconds, or in all where it is shorter: (leads, stretches), in mV.

    Args:
        values: (leads, samples) in mV, none missing.
        rate_hz: of the samples.
    """
    samples = values.shape[1]
    length = max(1, min(round(SPAN_S * rate_hz), samples))
    stretches = samples // length
    parts = values[:, : stretches * length].reshape(values.shape[0], stretches, length)
    apart: NDArray[np.float64] = parts.max(axis=2).astype(np.float64) - parts.min(axis=2)
    return apart


def typical(apart: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each lead, (leads,): the median stretch (of two the smaller), which no single artefact makes large."""
    middle = (apart.shape[1] - 1) // 2
    ordered: NDArray[np.float64] = np.partition(apart, middle, axis=1)[:, middle]
    return ordered


def faint(apart: NDArray[np.float64]) -> list[Finding]:
    """All leads too small for a heart in every stretch, and not without any signal at all: that is a flat line."""
    largest = float(apart.max(initial=0.0))
    if not 0.0 < largest < FAINT_MV:
        return []
    return [Finding(Defect.IMPLAUSIBLE_AMPLITUDE, Grade.POOR, message(largest), "", largest, FAINT_MV)]


def message(millivolts: float) -> str:
    """What is said of an amplitude that no heart has, or hardly any."""
    known = f"{millivolts:,.0f}" if LARGE_MV <= millivolts < 1e6 else f"{millivolts:.2g}"
    sure = "hardly a heart's" if LARGE_MV <= millivolts < IMPOSSIBLE_MV else "no heart's"
    return f"Amplitudes of {known} mV are {sure}; check the unit and the gain."
