"""How far values are from the truth, in the output's unit."""

from __future__ import annotations

import numpy as np

from precordia.metrics.arrays import Scores


def mean_absolute_error(errors: Scores) -> float | None:
    """Mean of |value - truth|, in the output's unit: Willmott and Matsuura 2005, Climate Research 30:79-82."""
    return float(np.abs(errors).mean()) if errors.size else None


def root_mean_squared_error(errors: Scores) -> float | None:
    """Root of the mean of (value - truth) squared, in the output's unit; source as above."""
    return float(np.sqrt((errors**2).mean())) if errors.size else None


def r_squared(truth: Scores, values: Scores) -> float | None:
    """Coefficient of determination: 1 - (squared errors) / (squares about the mean). None for a constant truth."""
    spread = float(((truth - truth.mean()) ** 2).sum()) if truth.size else 0.0
    return 1.0 - float(((values - truth) ** 2).sum()) / spread if spread > 0 else None


def correlation(truth: Scores, values: Scores) -> float | None:
    """Pearson's r; None where either is constant."""
    if truth.size < 2 or np.ptp(truth) == 0 or np.ptp(values) == 0:
        return None
    return float(np.corrcoef(truth, values)[0, 1])
