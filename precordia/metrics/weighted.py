"""Figures of records that count several times, for many countings at once: what a bootstrap repeats.

`weights` is (n, draws): how often each record was drawn. Results are (draws,), or (labels, draws); a figure
that a draw cannot measure is NaN there. With one column of ones they are the figures of
`precordia.metrics` themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from precordia.metrics.arrays import Counts, Flags, Scores
from precordia.metrics.calibration import BINS, bin_of, top_label
from precordia.metrics.calls import correct_records


@dataclass(frozen=True, eq=False)
class Answers:
    """What is true, what was scored, what was called.

    Attributes:
        truth: (n, k) flags.
        scores: (n, k) probabilities.
        called: (n, k) flags.
        exclusive: exactly one label is called.
    """

    truth: Flags
    scores: Scores
    called: Flags
    exclusive: bool

    def only(self, rows: Flags) -> Answers:
        """The given records."""
        return Answers(self.truth[rows], self.scores[rows], self.called[rows], self.exclusive)

    def about(self, columns: Counts) -> Answers:
        """The given labels; of an exclusive choice none is called where the choice fell on another one."""
        return Answers(self.truth[:, columns], self.scores[:, columns], self.called[:, columns], self.exclusive)


def label_figures(given: Answers, weights: Scores) -> dict[str, Scores]:
    """Each figure by label, (k, draws)."""
    total = weights.sum(axis=0)
    hits = (given.truth & given.called).T.astype(np.float64) @ weights
    called, positives = given.called.T.astype(np.float64) @ weights, given.truth.T.astype(np.float64) @ weights
    rejected = total - called - positives + hits
    with np.errstate(divide="ignore", invalid="ignore"):
        f1 = np.where(positives > 0, 2 * hits / (called + positives), np.nan)
        return {
            "auroc": _by_label(auroc_of, given, weights),
            "auprc": _by_label(average_precision_of, given, weights),
            "f1": f1,
            "sensitivity": _share(hits, positives),
            "specificity": _share(rejected, total - positives),
            "ppv": _share(hits, called),
            "npv": _share(rejected, total - called),
            "brier": ((given.scores - given.truth) ** 2).T @ weights / total,
            "ece": _by_label(_calibration_error_of, given, weights),
            "positives": positives,
        }


def overall_figures(given: Answers, weights: Scores, by_label: Mapping[str, Scores]) -> dict[str, Scores]:
    """Each figure over all labels, (draws,); macro means leave out the labels that a draw cannot measure."""
    total, positives = weights.sum(axis=0), by_label["positives"]
    found = {f"{name}_macro": _mean(by_label[name]) for name in MACRO}
    found |= {f"{name}_weighted": _mean(by_label[name], positives) for name in WEIGHTED}
    right = correct_records(given.truth, given.called, exclusive=given.exclusive)
    true_at_top, highest = top_label(given.truth, given.scores)
    with np.errstate(divide="ignore", invalid="ignore"):
        found["accuracy"] = right.astype(np.float64) @ weights / total
        found["ece_top_label"] = _calibration_error_of(true_at_top.astype(np.bool_), highest, weights)
    return found


MACRO = ("auroc", "auprc", "f1", "sensitivity", "specificity", "ppv", "npv", "brier", "ece")
"""Figures by label that have a macro mean."""
WEIGHTED = ("auroc", "f1", "sensitivity", "ppv", "ece")
"""Figures by label that have a mean weighted by the labels' records."""


def auroc_of(truth: Flags, scores: Scores, weights: Scores) -> Scores:
    """Area under the ROC curve of one label, (draws,)."""
    order = np.argsort(scores, kind="stable")
    drawn, flags = weights[order], truth[order, None]
    positive, negative = drawn * flags, drawn * ~flags
    starts = _ties(scores[order])
    if len(starts) < len(order):
        positive, negative = np.add.reduceat(positive, starts), np.add.reduceat(negative, starts)
    below = np.cumsum(negative, axis=0)
    below -= negative / 2  # a tie counts half
    with np.errstate(divide="ignore", invalid="ignore"):
        area: Scores = np.einsum("nd,nd->d", positive, below) / (positive.sum(axis=0) * negative.sum(axis=0))
    return area


def average_precision_of(truth: Flags, scores: Scores, weights: Scores) -> Scores:
    """Average precision of one label, (draws,)."""
    order = np.argsort(-scores, kind="stable")
    drawn = weights[order]
    gained = drawn * truth[order, None]
    starts = _ties(scores[order])
    if len(starts) < len(order):
        gained, drawn = np.add.reduceat(gained, starts), np.add.reduceat(drawn, starts)
    hits, called = np.cumsum(gained, axis=0), np.cumsum(drawn, axis=0)
    hits /= np.maximum(called, 1)  # a draw has called nothing yet where the count is 0, and gained nothing
    with np.errstate(divide="ignore", invalid="ignore"):
        area: Scores = np.einsum("nd,nd->d", gained, hits) / gained.sum(axis=0)
    return area


def _ties(ordered: Scores) -> Counts:
    """Where each run of equal scores begins."""
    return np.flatnonzero(np.append(True, np.diff(ordered) != 0)) if ordered.size else np.zeros(0, np.int64)


def _calibration_error_of(truth: Flags, scores: Scores, weights: Scores) -> Scores:
    in_bin = np.arange(BINS)[:, None] == bin_of(scores)
    with np.errstate(divide="ignore", invalid="ignore"):
        error: Scores = np.abs((in_bin * (scores - truth)) @ weights).sum(axis=0) / weights.sum(axis=0)
    return error


def _by_label(figure: Callable[[Flags, Scores, Scores], Scores], given: Answers, weights: Scores) -> Scores:
    columns = range(given.truth.shape[1])
    rows = [figure(given.truth[:, column], given.scores[:, column], weights) for column in columns]
    return np.stack(rows) if rows else np.zeros((0, weights.shape[1]))


def _share(part: Scores, whole: Scores) -> Scores:
    share: Scores = np.where(whole > 0, part / whole, np.nan)
    return share


def _mean(values: Scores, weights: Scores | None = None) -> Scores:
    """Mean over labels without what is NaN, (draws,)."""
    known = np.isfinite(values)
    weight = known * (1.0 if weights is None else weights)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean: Scores = (np.where(known, values, 0.0) * weight).sum(axis=0) / weight.sum(axis=0)
    return mean
