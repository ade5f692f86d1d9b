"""Thresholds: from which score on a label is called. Chosen on one split, to be reported on another.

Between two neighbouring scores every threshold calls the same records; the middle is taken, so that
neither decides by the last digit of a score.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import numpy as np

from precordia.metrics.arrays import Flags, Scores, Truth
from precordia.metrics.curves import Sweep

TARGET = 0.9
"""Sensitivity and specificity that Bickmann et al. 2026 (J Med Internet Res 28:e81116) set thresholds at."""


class Rule(Enum):
    """How a threshold is chosen."""

    F_MAX = "f_max"
    """Where F1 is largest."""
    YOUDEN = "youden"
    """Where sensitivity + specificity is largest: Youden 1950, Cancer 3:32-35."""
    SENSITIVITY = "sensitivity_90"
    """The highest threshold with a sensitivity of 0.9 at least."""
    SPECIFICITY = "specificity_90"
    """The lowest threshold with a specificity of 0.9 at least."""


def f_max(truth: Truth, scores: Scores) -> float | None:
    """The threshold of the largest F1, the higher of equals; None where no record is positive."""
    sweep = Sweep.over(truth, scores)
    if not sweep.positives:
        return None
    return _at(sweep, int(np.argmax(2 * sweep.hits / (sweep.hits + sweep.false_alarms + sweep.positives))))


def youden(truth: Truth, scores: Scores) -> float | None:
    """The threshold of the largest sensitivity + specificity, the higher of equals; None for one class alone."""
    sweep = Sweep.over(truth, scores)
    if not sweep.positives or not sweep.negatives:
        return None
    # whole numbers: equal indices stay equal
    return _at(sweep, int(np.argmax(sweep.hits * sweep.negatives - sweep.false_alarms * sweep.positives)))


def at_sensitivity(truth: Truth, scores: Scores, target: float = TARGET) -> float | None:
    """The highest threshold that reaches a sensitivity; None where no record is positive."""
    sweep = Sweep.over(truth, scores)
    if not sweep.positives:
        return None
    return _at(sweep, int(np.argmax(_reaches(sweep.hits / sweep.positives, target))))


def at_specificity(truth: Truth, scores: Scores, target: float = TARGET) -> float | None:
    """The lowest threshold that keeps a specificity; None where none does, or no record is negative."""
    sweep = Sweep.over(truth, scores)
    if not sweep.negatives:
        return None
    kept = np.flatnonzero(_reaches(1 - sweep.false_alarms / sweep.negatives, target))
    return _at(sweep, int(kept[-1])) if kept.size else None


CHOOSE: dict[Rule, Callable[[Truth, Scores], float | None]] = {
    Rule.F_MAX: f_max,
    Rule.YOUDEN: youden,
    Rule.SENSITIVITY: at_sensitivity,
    Rule.SPECIFICITY: at_specificity,
}


def _reaches(shares: Scores, target: float) -> Flags:
    reached: Flags = shares >= target - 1e-12  # 9 of 10 reach 0.9
    return reached


def _at(sweep: Sweep, index: int) -> float:
    """The middle between a score and the next lower one; below the lowest there is nothing to keep apart."""
    here = float(sweep.scores[index])
    if index + 1 == len(sweep.scores):
        return here
    return (here + float(sweep.scores[index + 1])) / 2
