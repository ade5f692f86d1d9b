"""How good scores are, as everyone here means it: each figure has one definition, and this is it.

A figure that cannot be measured is None, never 0. Truth is (n,) of flags or of 0 and 1, scores are
(n,); numpy is all that this needs. A score that is not a number makes the areas not a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DEFAULT_THRESHOLD = 0.5

Scores = NDArray[np.float64]
Flags = NDArray[np.bool_]
Truth = NDArray[np.uint8] | NDArray[np.bool_]


def auroc(truth: Truth, scores: Scores) -> float | None:
    """Area under the ROC curve: how often a positive outscores a negative, ties counted half.

    The Mann-Whitney form, from the ranks of the positives: Hanley and McNeil 1982, Radiology
    143:29-36. None where every record is positive, or none is.
    """
    flags = truth.astype(np.bool_)
    positives = int(flags.sum())
    negatives = flags.size - positives
    if positives == 0 or negatives == 0:
        return None
    above = _ranks(scores)[flags].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def _ranks(scores: Scores) -> Scores:
    """Ranks from 1; equal scores share the mean of theirs."""
    if np.isnan(scores).any():
        return np.full(scores.shape, np.nan)
    _, which, counts = np.unique(scores, return_inverse=True, return_counts=True)
    shared: Scores = (np.cumsum(counts) - (counts - 1) / 2)[which]
    return shared


def average_precision(truth: Truth, scores: Scores) -> float | None:
    """Sum over the distinct scores of (recall gained) x (precision there), without interpolation.

    The AP of Manning, Raghavan and Schütze 2008, Introduction to Information Retrieval, 8.4, with
    equal scores called together; an estimate of the area under the precision-recall curve, so some
    documents name it AUPRC. None where no record is positive.
    """
    flags = truth.astype(np.bool_)
    positives = int(flags.sum())
    if positives == 0:
        return None
    if np.isnan(scores).any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    hits, called = np.cumsum(flags[order])[last_of_tie], np.flatnonzero(last_of_tie) + 1
    gained = np.diff(hits, prepend=0) / positives
    return float((gained * hits / called).sum())


@dataclass(frozen=True)
class Calls:
    """What was called of one label against what is true; shares as in Altman and Bland 1994, BMJ 308:1552 and 309:102.

    A share of nothing is None.
    """

    hits: int
    false_alarms: int
    missed: int
    rejected: int

    @classmethod
    def count(cls, truth: Truth, called: Truth) -> Calls:
        """Of (n,) flags each."""
        is_true, is_called = truth.astype(np.bool_), called.astype(np.bool_)
        hits = int((is_true & is_called).sum())
        false_alarms, missed = int(is_called.sum()) - hits, int(is_true.sum()) - hits
        return cls(hits, false_alarms, missed, is_true.size - hits - false_alarms - missed)

    @property
    def positives(self) -> int:
        """Records that have the label."""
        return self.hits + self.missed

    @property
    def negatives(self) -> int:
        """Records that do not."""
        return self.rejected + self.false_alarms

    @property
    def sensitivity(self) -> float | None:
        """Share of the positives that are called."""
        return _share(self.hits, self.positives)

    @property
    def specificity(self) -> float | None:
        """Share of the negatives that are not called."""
        return _share(self.rejected, self.negatives)

    @property
    def ppv(self) -> float | None:
        """Share of the called that are positive."""
        return _share(self.hits, self.hits + self.false_alarms)

    @property
    def npv(self) -> float | None:
        """Share of those not called that are negative."""
        return _share(self.rejected, self.rejected + self.missed)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of sensitivity and ppv: van Rijsbergen 1979, Information Retrieval, 7, with equal weights.

        None without positives: it would be 0 for every model, however good.
        """
        return _share(2 * self.hits, 2 * self.hits + self.false_alarms + self.missed) if self.positives else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def called_labels(scores: Scores, *, exclusive: bool, thresholds: Sequence[float] | None = None) -> Flags:
    """Which labels the scores call: the highest alone (the first of equals), or each from its threshold on.

    Args:
        scores: (n, k).
        exclusive: exactly one label is true (multiclass); thresholds do not matter then.
        thresholds: k; 0.5 each where there are none.

    Returns:
        (n, k).
    """
    if exclusive:
        highest: Flags = np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None]
        return highest
    above: Flags = scores >= (DEFAULT_THRESHOLD if thresholds is None else np.asarray(thresholds))
    return above


def mean_of_known(values: Sequence[float | None], weights: Sequence[float] | None = None) -> float | None:
    """Mean without the values that are None; None where nothing is left. Macro averages are this."""
    known = [(value, 1.0 if weights is None else weights[i]) for i, value in enumerate(values) if value is not None]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else None


def mean_absolute_error(errors: Scores) -> float | None:
    """Mean of |value - truth|, in the output's unit: Willmott and Matsuura 2005, Climate Research 30:79-82."""
    return float(np.abs(errors).mean()) if errors.size else None


def root_mean_squared_error(errors: Scores) -> float | None:
    """Root of the mean of (value - truth) squared, in the output's unit; source as above."""
    return float(np.sqrt((errors**2).mean())) if errors.size else None
