"""Whether the limb leads fit together: Einthoven's law and Goldberger's leads, and which lead breaks them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from precordia.leads import LIMB_LEADS
from precordia.quality import Defect, Finding, Grade
from precordia.signal import _quality_kernels as kernels

USABLE_MV = 0.02
"""Four usual steps: more than rounding leaves."""
KEPT_MV = 0.005
"""A law that leaves less is kept: one usual step."""
POOR_MV = 0.1
"""One millimetre on paper."""

_LAWS: tuple[dict[str, float], ...] = (
    {"I": 1.0, "III": 1.0, "II": -1.0},
    {"aVR": 1.0, "I": 0.5, "II": 0.5},
    {"aVL": 1.0, "I": -0.5, "III": 0.5},
    {"aVF": 1.0, "II": -0.5, "III": -0.5},
)
"""Weighted sums of limb leads that are zero."""


@lru_cache(maxsize=64)
def _weights(leads: tuple[str, ...], usable: frozenset[str]) -> tuple[tuple[int, ...], NDArray[np.float32]]:
    """Laws whose leads are all there, and their weights by row."""
    known = tuple(index for index, law in enumerate(_LAWS) if law.keys() <= usable)
    weights = [[_LAWS[index].get(lead, 0.0) for lead in leads] for index in known]
    return known, np.array(weights, np.float32).reshape(len(known), len(leads))


def disagreement(values: NDArray[np.float32], leads: tuple[str, ...], lost: set[str]) -> list[Finding]:
    """A finding where limb leads do not fit together, on the lead that explains it where one does.

    Args:
        values: (leads, samples) in millivolts, gaps filled.
        leads: standard names, one for each row.
        lost: leads that are flat or missing anyway.
    """
    known, weights = _weights(leads, frozenset(leads) - lost)
    if not known:
        return []
    spread = kernels.residuals(values, weights)[:, 0]
    worst = float(spread.max())
    if worst < USABLE_MV:
        return []
    broken = {index for index, value in zip(known, spread, strict=True) if value >= max(KEPT_MV, worst / 6)}
    lead = _culprit(set(known), broken)
    grade, limit = (Grade.POOR, POOR_MV) if worst >= POOR_MV else (Grade.USABLE, USABLE_MV)
    what = f"Lead {lead} does not fit" if lead else "The limb leads do not fit"
    return [
        Finding(
            Defect.LEADS_DISAGREE,
            grade,
            f"{what} the other limb leads: what should cancel leaves {worst:.3f} mV.",
            lead,
            worst,
            limit,
        )
    ]


def _culprit(known: set[int], broken: set[int]) -> str:
    """The one lead that stands in every broken law and in no kept one; empty where none, or several, do."""
    suspects = [lead for lead in LIMB_LEADS if {index for index in known if lead in _LAWS[index]} == broken]
    return suspects[0] if len(suspects) == 1 else ""
