"""Whether one model is better than another on the same records: paired tests.

Each takes what the two models said of the very same records, in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, stdtr

from precordia.metrics.areas import ranks
from precordia.metrics.arrays import Flags, Scores, Truth
from precordia.metrics.bootstrap import DRAWS, Patients, distributions, interval, patient_numbers
from precordia.metrics.weighted import Answers, label_figures, overall_figures

_Z = 1.959963984540054
_EXACT = 1000


@dataclass(frozen=True)
class Difference:
    """Second minus first, with its 95 % interval, and the two-sided p of there being none.

    None = not measurable.
    """

    first: float
    second: float
    difference: float
    low: float | None
    high: float | None
    p: float | None


def delong(truth: Truth, first: Scores, second: Scores) -> Difference | None:
    """Areas under two ROC curves of the same records.

    DeLong et al. 1988, Biometrics 44:837-845, computed as Sun and Xu 2014, IEEE Signal Processing
    Letters 21:1389-1393. It takes records as independent: one record a patient. None where fewer than two
    records are positive, or negative.
    """
    flags = truth.astype(np.bool_)
    positives, negatives = int(flags.sum()), int((~flags).sum())
    if min(positives, negatives) < 2:
        return None
    of_positives, of_negatives, areas = [], [], []
    for scores in (first, second):
        whole, among_positives, among_negatives = ranks(scores), ranks(scores[flags]), ranks(scores[~flags])
        areas.append((whole[flags].sum() / positives - (positives + 1) / 2) / negatives)
        of_positives.append((whole[flags] - among_positives) / negatives)
        of_negatives.append(1 - (whole[~flags] - among_negatives) / positives)
    covariance = np.cov(of_positives) / positives + np.cov(of_negatives) / negatives
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    return _normal(float(areas[0]), float(areas[1]), math.sqrt(max(0.0, float(variance))))


def _normal(first: float, second: float, error: float) -> Difference:
    difference = second - first
    if error == 0:
        return Difference(first, second, difference, difference, difference, 1.0 if difference == 0 else None)
    p = math.erfc(abs(difference) / error / math.sqrt(2))
    return Difference(first, second, difference, difference - _Z * error, difference + _Z * error, p)


def mcnemar(first_right: Flags, second_right: Flags) -> float:
    """Two-sided p of the two models being right equally often: McNemar 1947, Psychometrika 12:153-157.

    Exact (binomial) up to 1000 records on which they differ, above that by the chi-squared
    distribution with Edwards' correction.
    """
    only_first = int((first_right & ~second_right).sum())
    only_second = int((second_right & ~first_right).sum())
    n = only_first + only_second
    if n == 0:
        return 1.0
    if n <= _EXACT:
        return min(1.0, 2 * float(bdtr(min(only_first, only_second), n, 0.5)))
    statistic = max(0.0, abs(only_first - only_second) - 1) ** 2 / n
    return math.erfc(math.sqrt(statistic / 2))


def paired_t(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Two-sided p of paired values (folds, seeds, datasets) having the same mean: Student 1908, Biometrika 6:1-25.

    None for fewer than two pairs, or where all differ by the same amount.
    """
    differences = np.array(second, dtype=np.float64) - np.array(first, dtype=np.float64)
    if differences.size < 2 or differences.std() == 0:
        return None
    t = differences.mean() / (differences.std(ddof=1) / math.sqrt(differences.size))
    return float(2 * stdtr(differences.size - 1, -abs(t)))


def bootstrap_difference(
    first: Answers, second: Answers, patients: Patients, *, draws: int = DRAWS, seed: int = 0
) -> Mapping[str, Difference]:
    """Each figure over all labels, of two models, on the same draws of patients.

    The p is that of the percentile interval that just reaches 0: Efron and Tibshirani 1993, 15.
    Figures that cannot be measured are left out.
    """
    once = np.ones((len(first.truth), 1))
    points = [_overall(answers, once) for answers in (first, second)]

    def differences(counts: Scores) -> dict[str, Scores]:
        a, b = _overall(first, counts), _overall(second, counts)
        return {name: b[name] - a[name] for name in a}

    drawn = distributions(differences, patient_numbers(patients), draws=draws, seed=seed)
    found = {}
    for name, values in drawn.items():
        was, now = float(points[0][name][0]), float(points[1][name][0])
        if math.isfinite(was) and math.isfinite(now):
            low, high = interval(values) or (None, None)
            found[name] = Difference(was, now, now - was, low, high, _crossing(values))
    return found


def _overall(answers: Answers, counts: Scores) -> dict[str, Scores]:
    return overall_figures(answers, counts, label_figures(answers, counts))


def _crossing(values: Scores) -> float | None:
    known = values[np.isfinite(values)]
    if not known.size:
        return None
    beyond = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return min(1.0, 2 * (beyond + 1) / (known.size + 1))
