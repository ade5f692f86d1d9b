"""Figures that say how good scores are. A figure that cannot be measured is None, never 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Scores = NDArray[np.float64]
Truth = NDArray[np.uint8]


def auroc(truth: Truth, scores: Scores) -> float | None:
    """Area under the ROC curve of one label, ties counted half; None where only one class is there.

    Args:
        truth: (n,) 0 or 1.
        scores: (n,).
    """
    positives = int(truth.sum())
    negatives = truth.size - positives
    if positives == 0 or negatives == 0:
        return None
    ranks = rankdata(scores)
    return float((ranks[truth == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def average_precision(truth: Truth, scores: Scores) -> float | None:
    """Mean precision over the recalls reached, without interpolation; None without positives."""
    positives = int(truth.sum())
    if positives == 0:
        return None
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(truth[order])
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    hits, called = hits[last_of_tie], np.flatnonzero(last_of_tie) + 1
    gained = np.diff(hits, prepend=0) / positives
    return float((gained * hits / called).sum())


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _of_label(truth: Truth, scores: Scores, called: Truth) -> dict[str, float | int | None]:
    hit = int((truth & called).sum())
    false = int(called.sum()) - hit
    missed = int(truth.sum()) - hit
    rejected = truth.size - hit - false - missed
    return {
        "positives": int(truth.sum()),
        "auroc": auroc(truth, scores),
        "average_precision": average_precision(truth, scores),
        "f1": _ratio(2 * hit, 2 * hit + false + missed),
        "sensitivity": _ratio(hit, hit + missed),
        "specificity": _ratio(rejected, rejected + false),
        "ppv": _ratio(hit, hit + false),
        "npv": _ratio(rejected, rejected + missed),
        "brier": float(np.mean((scores - truth) ** 2)),
    }


def _mean(values: Sequence[float | int | None], weights: Sequence[float] | None = None) -> float | None:
    known = [(value, 1.0 if weights is None else weights[i]) for i, value in enumerate(values) if value is not None]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else None


def called_labels(scores: Scores, *, exclusive: bool) -> Truth:
    """Which labels the scores call: the highest alone, or each from 0.5 on. (n, k) uint8."""
    highest = np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None]
    called: Truth = (highest if exclusive else scores >= 0.5).astype(np.uint8)
    return called


def classification(truth: Truth, scores: Scores, labels: Sequence[str], *, exclusive: bool) -> dict[str, Any]:
    """Every figure of a classifier.

    Args:
        truth: (n, k) 0 or 1.
        scores: (n, k) probabilities.
        labels: k names.
        exclusive: exactly one label is true (multiclass).
    """
    called = called_labels(scores, exclusive=exclusive)
    per_class = {
        label: _of_label(truth[:, column], scores[:, column], called[:, column]) for column, label in enumerate(labels)
    }
    rows = list(per_class.values())
    support = [float(row["positives"] or 0) for row in rows]
    return {
        "n": len(truth),
        "auroc_macro": _mean([row["auroc"] for row in rows]),
        "average_precision_macro": _mean([row["average_precision"] for row in rows]),
        "f1_macro": _mean([row["f1"] for row in rows]),
        "f1_weighted": _mean([row["f1"] for row in rows], support),
        "accuracy": float((called == truth).all(axis=1).mean()) if len(truth) else None,
        "brier_macro": _mean([row["brier"] for row in rows]),
        "per_class": per_class,
    }


def regression(truth: Scores, values: Scores, names: Sequence[str]) -> dict[str, Any]:
    """Mean absolute error, root mean squared error, Pearson's r by output; (n, k) each."""
    error = values - truth
    per_output: dict[str, dict[str, float | None]] = {}
    for column, name in enumerate(names):
        constant = truth[:, column].std() == 0 or values[:, column].std() == 0
        r = None if constant else float(np.corrcoef(truth[:, column], values[:, column])[0, 1])
        per_output[name] = {
            "mae": float(np.abs(error[:, column]).mean()),
            "rmse": float(np.sqrt((error[:, column] ** 2).mean())),
            "r": r,
        }
    return {
        "n": len(truth),
        "mae_macro": _mean([row["mae"] for row in per_output.values()]),
        "rmse_macro": _mean([row["rmse"] for row in per_output.values()]),
        "per_output": per_output,
    }


def macro_auroc(truth: Truth, scores: Scores) -> float | None:
    """Mean area over the labels that can be measured."""
    return _mean([auroc(truth[:, column], scores[:, column]) for column in range(truth.shape[1])])


def bootstrap_interval(
    figure: Callable[[Truth, Scores], float | None],
    truth: Truth,
    scores: Scores,
    patients: Sequence[str],
    *,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float] | None:
    """95 % percentile interval of a figure when patients are drawn again with replacement."""
    groups: dict[str, list[int]] = {}
    for row, patient in enumerate(patients):
        groups.setdefault(patient or f"record {row}", []).append(row)
    members = [np.array(rows) for rows in groups.values()]
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        rows = np.concatenate([members[i] for i in generator.integers(0, len(members), len(members))])
        value = figure(truth[rows], scores[rows])
        if value is not None:
            found.append(value)
    if not found:
        return None
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)
