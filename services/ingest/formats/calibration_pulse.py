"""The calibration pulse that some devices write after an ECG: 1 mV in every lead at once.

No heart does that: where I and II are 1 mV, III is 0. What follows the ECG - flat line, pulse, flat
line - is no signal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from precordia.record import Native

SHORTEST_S = 0.04


def calibration_start(leads: Sequence[Native], counts_per_mv: float, rate_hz: float) -> int | None:
    """Where the ECG ends and calibration begins, its flat beginning included; None where there is none.

    Args:
        leads: of equal length; at least three, among them limb leads.
        counts_per_mv: of all of them.
        rate_hz: of all of them.

    The pulse stands in the second half, equal in all leads and within one count of 1 mV above or
    below the flat line, lasts 40 ms at least, and nothing but flat line follows it.
    """
    if len(leads) < 3 or len({lead.size for lead in leads}) != 1:
        return None
    block = np.stack(leads)
    level, alike = block[0], (block == block[0]).all(axis=0)
    pulse = alike & (np.abs(np.abs(level) - counts_per_mv) <= 1)
    if not pulse.any():
        return None
    end = int(np.flatnonzero(pulse)[-1]) + 1
    begin = _run_start(pulse, end)
    flat = alike & (level == 0)
    long_enough = end - begin >= SHORTEST_S * rate_hz
    if not long_enough or begin < level.size // 2 or not flat[end:].all():
        return None
    return _run_start(flat, begin)


def _run_start(marks: NDArray[np.bool_], end: int) -> int:
    """Where the run of marks that stops before `end` begins; `end` where there is none."""
    gaps = np.flatnonzero(~marks[:end])
    return int(gaps[-1]) + 1 if gaps.size else 0
