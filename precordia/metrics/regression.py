"""Every figure of predicted values (an interval in ms, an age in years), as one JSON object.

    {"n", "patients", "metrics": {"mae", "rmse", "r2", ...}, "per_class": {output: {...}},
     "intervals": {"draws", "per_class": {output: {figure: [low, high]}}},
     "points": {output: {"truth": [...], "value": [...]}}}

Bias and limits of agreement: Bland and Altman 1986, Lancet 327:307-310; intervals of all are drawn
by patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from precordia.metrics.arrays import Scores
from precordia.metrics.bootstrap import DRAWS, Patients, distributions, interval, patient_numbers
from precordia.metrics.errors import correlation, mean_absolute_error, r_squared, root_mean_squared_error
from precordia.metrics.means import mean_of_known

Document = dict[str, Any]

AGREEMENT = 1.96
"""Standard deviations of the differences between the limits of agreement and the bias."""
_MEANS = ("mae", "rmse", "r2", "r")
_POINTS = 2000
_NO_VALUE = "no record has a value"
_CONSTANT = "all values are the same"


def regression_document(
    truth: Scores, values: Scores, names: Sequence[str], *, patients: Patients, draws: int = DRAWS
) -> Document:
    """Everything at once; the form is told above.

    Args:
        truth: (n, k), NaN where it is not known; such a record does not count for that output.
        values: (n, k).
        names: k, of the outputs.
        patients: n keys; an empty one is a patient of its own.
        draws: of the bootstrap; 0 = no intervals.
    """
    per_output, limits, points = {}, {}, {}
    for column, name in enumerate(names):
        known = np.isfinite(truth[:, column])
        true, given = truth[known, column], values[known, column]
        people = patient_numbers(patients)[known]
        per_output[name] = output_figures(true, given)
        limits[name] = _intervals(true, given, people, draws)
        points[name] = _points(true, given)
    return {
        "n": len(truth),
        "patients": len(set(patient_numbers(patients).tolist())) if len(truth) else 0,
        "metrics": {name: mean_of_known([row[name] for row in per_output.values()]) for name in _MEANS},
        "per_class": per_output,
        "intervals": {"draws": draws, "metrics": {}, "per_class": limits},
        "points": points,
    }


def output_figures(truth: Scores, values: Scores) -> Document:
    """The figures of one output, (n,) each, in its unit."""
    errors = values - truth
    found: Document = {
        "n": int(truth.size),
        "mae": mean_absolute_error(errors),
        "rmse": root_mean_squared_error(errors),
        "r2": r_squared(truth, values),
        "r": correlation(truth, values),
        "bias": float(errors.mean()) if errors.size else None,
        "agreement_low": None,
        "agreement_high": None,
    }
    if errors.size > 1:
        half = AGREEMENT * float(errors.std(ddof=1))
        found |= {"agreement_low": found["bias"] - half, "agreement_high": found["bias"] + half}
    why = "one record alone has a value" if errors.size == 1 else _CONSTANT if errors.size else _NO_VALUE
    reasons = {name: why for name, value in found.items() if value is None}
    return found | ({"undefined": reasons} if reasons else {})


def _intervals(truth: Scores, values: Scores, patients: Patients, draws: int) -> dict[str, list[float]]:
    numbers = patient_numbers(patients)
    if not draws or not numbers.size or numbers.max() == 0:
        return {}
    drawn = distributions(lambda counts: _drawn(truth, values, counts), numbers, draws=draws)
    ends = {name: interval(each) for name, each in drawn.items()}
    return {name: list(pair) for name, pair in ends.items() if pair}


def _drawn(truth: Scores, values: Scores, counts: Scores) -> dict[str, Scores]:
    """The same figures of records that count several times: counts (n, draws), each figure (draws,)."""
    errors, total = values - truth, counts.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        bias, square = errors @ counts / total, errors**2 @ counts / total
        spread = _variance(truth, counts, total)
        half = AGREEMENT * np.sqrt(_variance(errors, counts, total) * total / (total - 1))
        centred_truth, centred_values = truth - truth.mean(), values - values.mean()
        together = (centred_truth * centred_values) @ counts / total
        together -= (centred_truth @ counts / total) * (centred_values @ counts / total)
        return {
            "mae": np.abs(errors) @ counts / total,
            "rmse": np.sqrt(square),
            "r2": 1 - square / spread,
            "r": together / np.sqrt(spread * _variance(values, counts, total)),
            "bias": bias,
            "agreement_low": bias - half,
            "agreement_high": bias + half,
        }


def _variance(values: Scores, counts: Scores, total: Scores) -> Scores:
    centred = values - values.mean()  # the squares of a QT in ms would lose digits
    variance: Scores = np.maximum(centred**2 @ counts / total - (centred @ counts / total) ** 2, 0.0)
    return variance


def _points(truth: Scores, values: Scores) -> dict[str, list[float]]:
    """Pairs for drawing, evenly picked where they are many."""
    chosen = np.linspace(0, len(truth) - 1, min(len(truth), _POINTS)).round().astype(np.int64)
    return {"truth": [float(f"{x:.6g}") for x in truth[chosen]], "value": [float(f"{x:.6g}") for x in values[chosen]]}
