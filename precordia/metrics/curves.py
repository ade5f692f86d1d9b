"""ROC and precision-recall curves, whole and thinned for plots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from precordia.metrics.arrays import Counts, Scores, Truth

_POINTS = 160


@dataclass(frozen=True, eq=False)
class Curve:
    """Points of a curve, each with the threshold from which on a score is called.

    Attributes:
        x, y: false positive rate and sensitivity (ROC), or sensitivity and ppv (precision-recall).
        thresholds: falling; infinite at the first point of a ROC curve, where nothing is called.
    """

    x: Scores
    y: Scores
    thresholds: Scores


@dataclass(frozen=True, eq=False)
class Sweep:
    """Calls at every distinct score, from the highest down: what is called when it is the threshold."""

    scores: Scores
    hits: Counts
    false_alarms: Counts
    positives: int
    negatives: int

    @classmethod
    def over(cls, truth: Truth, scores: Scores) -> Sweep:
        """Of (n,) each."""
        flags = truth.astype(np.bool_)
        order = np.argsort(-scores, kind="stable")
        last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True)) if scores.size else np.zeros(0, np.int64)
        hits = np.cumsum(flags[order], dtype=np.int64)[last]
        positives = int(flags.sum())
        return cls(scores[order][last], hits, last + 1 - hits, positives, flags.size - positives)


def roc_curve(truth: Truth, scores: Scores) -> Curve | None:
    """From (0, 0) to (1, 1); None where every record is positive, or none is."""
    sweep = Sweep.over(truth, scores)
    if not sweep.positives or not sweep.negatives:
        return None
    return Curve(
        np.append(0.0, sweep.false_alarms / sweep.negatives),
        np.append(0.0, sweep.hits / sweep.positives),
        np.append(np.inf, sweep.scores),
    )


def precision_recall_curve(truth: Truth, scores: Scores) -> Curve | None:
    """Sensitivity and ppv at each distinct score, by falling score; None where no record is positive."""
    sweep = Sweep.over(truth, scores)
    if not sweep.positives:
        return None
    return Curve(sweep.hits / sweep.positives, sweep.hits / (sweep.hits + sweep.false_alarms), sweep.scores)


def thinned_roc(curve: Curve, points: int = _POINTS) -> Curve:
    """The corners of a ROC curve. Its trapezoidal area stays while they are no more than `points`."""
    dx, dy = np.diff(curve.x), np.diff(curve.y)
    turns = np.abs(dx[:-1] * dy[1:] - dy[:-1] * dx[1:]) > 1e-15
    return _spaced(_only(curve, np.concatenate([[True], turns, [True]])), points)


def thinned_precision_recall(curve: Curve, points: int = _POINTS) -> Curve:
    """The points where recall is gained; average precision, their sum, stays while they are at most `points`."""
    return _spaced(_only(curve, np.diff(curve.x, prepend=0.0) > 0), points)


def _only(curve: Curve, keep: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Curve:
    return Curve(curve.x[keep], curve.y[keep], curve.thresholds[keep])


def _spaced(curve: Curve, points: int) -> Curve:
    """At most so many points, at even distances along the curve; both ends stay."""
    if len(curve.x) <= points:
        return curve
    way = np.append(0.0, np.cumsum(np.hypot(np.diff(curve.x), np.diff(curve.y))))
    chosen = np.searchsorted(way, np.linspace(0, way[-1], points))
    keep = np.zeros(len(way), dtype=np.bool_)
    keep[np.minimum(chosen, len(way) - 1)] = True
    keep[[0, -1]] = True
    return _only(curve, keep)
