"""The figures of a trained network, in the form of its report. `precordia.metrics` defines them.

A figure that cannot be measured is None, never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precordia.metrics import (
    Calls,
    Flags,
    Scores,
    auroc,
    average_precision,
    called_labels,
    mean_absolute_error,
    mean_of_known,
    root_mean_squared_error,
)

Truth = NDArray[np.uint8]


def _of_label(truth: Truth, scores: Scores, called: Flags) -> dict[str, float | int | None]:
    calls = Calls.count(truth, called)
    return {
        "positives": calls.positives,
        "auroc": auroc(truth, scores),
        "average_precision": average_precision(truth, scores),
        "f1": calls.f1,
        "sensitivity": calls.sensitivity,
        "specificity": calls.specificity,
        "ppv": calls.ppv,
        "npv": calls.npv,
        "brier": float(np.mean((scores - truth) ** 2)),
    }


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
        "auroc_macro": mean_of_known([row["auroc"] for row in rows]),
        "average_precision_macro": mean_of_known([row["average_precision"] for row in rows]),
        "f1_macro": mean_of_known([row["f1"] for row in rows]),
        "f1_weighted": mean_of_known([row["f1"] for row in rows], support),
        "accuracy": float((called == truth).all(axis=1).mean()) if len(truth) else None,
        "brier_macro": mean_of_known([row["brier"] for row in rows]),
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
            "mae": mean_absolute_error(error[:, column]),
            "rmse": root_mean_squared_error(error[:, column]),
            "r": r,
        }
    return {
        "n": len(truth),
        "mae_macro": mean_of_known([row["mae"] for row in per_output.values()]),
        "rmse_macro": mean_of_known([row["rmse"] for row in per_output.values()]),
        "per_output": per_output,
    }


def macro_auroc(truth: Truth, scores: Scores) -> float | None:
    """Mean area over the labels that can be measured."""
    return mean_of_known([auroc(truth[:, column], scores[:, column]) for column in range(truth.shape[1])])


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
