"""Areas under the ROC and the precision-recall curve."""

from __future__ import annotations

import numpy as np

from precordia.metrics.arrays import Scores, Truth


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
    above = ranks(scores)[flags].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def ranks(scores: Scores) -> Scores:
    """Ranks from 1; equal scores share the mean of theirs. All NaN where one score is."""
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
