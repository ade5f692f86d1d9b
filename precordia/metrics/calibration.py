"""Whether a probability of 0.7 is right seven times of ten: Brier score, calibration error, reliability.

Bins are 15, of equal width from 0 to 1, as in Guo et al. 2017 (ICML, arXiv 1706.04599); a score on a
border belongs to the bin above it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from precordia.metrics.arrays import Counts, Scores, Truth

BINS = 15
_Z = 1.959963984540054


def brier_score(truth: Truth, scores: Scores) -> float | None:
    """Mean squared difference of score and truth: Brier 1950, Monthly Weather Review 78:1-3. None of nothing."""
    return float(np.mean((scores - truth) ** 2)) if scores.size else None


def bin_of(scores: Scores, bins: int = BINS) -> Counts:
    """Number of the bin of each score."""
    numbers: Counts = np.clip((scores * bins).astype(np.int64), 0, bins - 1)
    return numbers


def calibration_error(truth: Truth, scores: Scores, bins: int = BINS) -> float | None:
    """Expected calibration error: mean over records of |mean score - share that is true| of their bin.

    Naeini et al. 2015, AAAI 29:2901-2907. None of nothing.
    """
    if not scores.size:
        return None
    gaps = np.bincount(bin_of(scores, bins), weights=scores - truth, minlength=bins)
    return float(np.abs(gaps).sum() / scores.size)


def top_label(truth: Truth, scores: Scores) -> tuple[Truth, Scores]:
    """Of each record, whether the label with the highest score is true, and that score; (n,) from (n, k)."""
    highest = scores.argmax(axis=1)
    rows = np.arange(len(scores))
    return truth.astype(np.bool_)[rows, highest], scores[rows, highest]


@dataclass(frozen=True)
class Bin:
    """One bar of a reliability diagram.

    Attributes:
        low, high: its borders.
        score: mean score of its records.
        share: share of them that is true.
        share_low, share_high: 95 % interval of the share: Wilson 1927, JASA 22:209-212.
    """

    low: float
    high: float
    n: int
    score: float
    share: float
    share_low: float
    share_high: float


def reliability(truth: Truth, scores: Scores, bins: int = BINS) -> tuple[Bin, ...]:
    """The bins that hold a record, by rising score: DeGroot and Fienberg 1983, The Statistician 32:12-22."""
    number = bin_of(scores, bins)
    n = np.bincount(number, minlength=bins)
    score, right = np.bincount(number, scores, bins), np.bincount(number, truth, bins)
    return tuple(
        Bin(i / bins, (i + 1) / bins, int(n[i]), score[i] / n[i], right[i] / n[i], *wilson(int(right[i]), int(n[i])))
        for i in np.flatnonzero(n).tolist()
    )


def wilson(right: int, n: int) -> tuple[float, float]:
    """95 % interval of a share, for n > 0; source as at `Bin`."""
    share, square = right / n, _Z**2
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = _Z * np.sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))
