"""The figures of an evaluation, per class and together. What is not defined is None, with the reason beside it.

The definitions are those of `precordia.metrics`; AUPRC is average precision. A class without a
value is left out of the macro averages, and named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from precordia.manifest import Task
from precordia.metrics import (
    DEFAULT_THRESHOLD,
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

Metrics = dict[str, Any]

_ALL = "every record has this label"
_NONE = "no record has this label"


def classification(
    task: Task, names: Sequence[str], scores: Scores, truth: Flags, thresholds: Mapping[str, float]
) -> tuple[Metrics, dict[str, Metrics]]:
    """Metrics over all classes, and for each.

    Args:
        task: multiclass decides for the highest score, multilabel by the thresholds.
        names: of the outputs.
        scores: (records, outputs).
        truth: (records, outputs); a record of a label that is no output is all False, and what is
            predicted for it stays in as a false positive.
        thresholds: by output; 0.5 where there is none.
    """
    limits = [thresholds.get(name, DEFAULT_THRESHOLD) for name in names]
    decided = called_labels(scores, exclusive=task is Task.MULTICLASS, thresholds=limits)
    per_class = {
        name: _one_class(scores[:, column], truth[:, column], decided[:, column]) for column, name in enumerate(names)
    }
    if task is Task.MULTILABEL:
        for name, limit in zip(names, limits, strict=True):
            per_class[name]["threshold"] = limit
    correct = np.any(decided & truth, axis=1) if task is Task.MULTICLASS else np.all(decided == truth, axis=1)
    overall = _together(per_class)
    overall["accuracy"] = float(np.mean(correct)) if len(scores) else None
    return overall, per_class


def _one_class(scores: Scores, truth: Flags, decided: Flags) -> Metrics:
    calls = Calls.count(truth, decided)
    found: Metrics = {
        "positives": calls.positives,
        "auroc": auroc(truth, scores),
        "auprc": average_precision(truth, scores),
        "f1": calls.f1,
        "sensitivity": calls.sensitivity,
        "specificity": calls.specificity,
    }
    why = _ALL if calls.positives else _NONE
    reasons = {metric: why for metric, value in found.items() if value is None}
    return found | ({"undefined": reasons} if reasons else {})


def _together(per_class: Mapping[str, Metrics]) -> Metrics:
    found: Metrics = {}
    undefined: dict[str, str] = {}
    for metric in ("auroc", "auprc", "f1"):
        found[f"{metric}_macro"] = mean_of_known([values[metric] for values in per_class.values()])
        unknown = [name for name, values in per_class.items() if values[metric] is None]
        if unknown:
            undefined[f"{metric}_macro"] = "without " + ", ".join(unknown)
    support = [values["positives"] for values in per_class.values()]
    found["f1_weighted"] = mean_of_known([values["f1"] for values in per_class.values()], support)
    return found | ({"undefined": undefined} if undefined else {})


def regression(names: Sequence[str], scores: Scores, truth: Scores) -> tuple[Metrics, dict[str, Metrics]]:
    """Errors by output, in the output's unit, and their means; truth is NaN where it is not known."""
    per_output = {name: _one_output(scores[:, i], truth[:, i]) for i, name in enumerate(names)}
    overall: Metrics = {}
    for metric in ("mae", "rmse", "r2"):
        overall[metric] = mean_of_known([values[metric] for values in per_output.values()])
    return overall, per_output


def _one_output(scores: Scores, truth: Scores) -> Metrics:
    known = np.isfinite(truth)
    scores, truth = scores[known], truth[known]
    if not truth.size:
        reasons = dict.fromkeys(("mae", "rmse", "r2"), "no record has a value")
        return {"n": 0, "mae": None, "rmse": None, "r2": None, "undefined": reasons}
    errors = scores - truth
    spread = float(((truth - truth.mean()) ** 2).sum())
    found: Metrics = {
        "n": int(truth.size),
        "mae": mean_absolute_error(errors),
        "rmse": root_mean_squared_error(errors),
        "r2": 1.0 - float((errors**2).sum()) / spread if spread > 0 else None,
    }
    return found if spread > 0 else found | {"undefined": {"r2": "all values are the same"}}
