"""Means over labels, and over datasets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def mean_of_known(values: Sequence[float | None], weights: Sequence[float] | None = None) -> float | None:
    """Mean without the values that are None; None where nothing is left. Macro averages are this."""
    known = [(value, 1.0 if weights is None else weights[i]) for i, value in enumerate(values) if value is not None]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else None


@dataclass(frozen=True)
class Summary:
    """One figure over several datasets, as Bickmann et al. 2026 (J Med Internet Res 28:e81116) give it.

    Attributes:
        n: datasets that have the figure.
        q1, q3: quartiles, interpolated linearly; iqr is their distance.
        cv: coefficient of variation, standard deviation (of a sample) over mean; None for fewer
            than two datasets or a mean of 0.
    """

    n: int
    mean: float | None
    median: float | None
    q1: float | None
    q3: float | None
    iqr: float | None
    cv: float | None


def summary(values: Sequence[float | None]) -> Summary:
    """Mean, median, quartiles and variation of a figure over datasets; those without it are left out."""
    known = np.array([value for value in values if value is not None])
    if not known.size:
        return Summary(0, None, None, None, None, None, None)
    mean = float(known.mean())
    q1, median, q3 = (float(value) for value in np.percentile(known, [25, 50, 75]))
    cv = float(known.std(ddof=1)) / mean if known.size > 1 and mean != 0 else None
    return Summary(known.size, mean, median, q1, q3, q3 - q1, cv)
