"""How good scores are: per class and together. What is not defined is None, with the reason beside it.

AUROC is undefined where every record is positive, or none is; AUPRC and F1 where none is. A class
without a value is left out of the macro averages, and named. scikit-learn is imported when the
first metric is made: nothing else in this service needs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precordia.manifest import Task

DEFAULT_THRESHOLD = 0.5

Scores = NDArray[np.float64]
Flags = NDArray[np.bool_]
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
    decided = _decisions(task, names, scores, truth, thresholds)
    per_class = {
        name: _one_class(scores[:, column], truth[:, column], decided[:, column]) for column, name in enumerate(names)
    }
    if task is Task.MULTILABEL:
        for name in names:
            per_class[name]["threshold"] = thresholds.get(name, DEFAULT_THRESHOLD)
    correct = np.any(decided & truth, axis=1) if task is Task.MULTICLASS else np.all(decided == truth, axis=1)
    overall = _together(per_class)
    overall["accuracy"] = float(np.mean(correct)) if len(scores) else None
    return overall, per_class


def _decisions(
    task: Task, names: Sequence[str], scores: Scores, truth: Flags, thresholds: Mapping[str, float]
) -> Flags:
    if task is Task.MULTILABEL:
        limits = np.array([thresholds.get(name, DEFAULT_THRESHOLD) for name in names])
        above: Flags = scores >= limits
        return above
    decided = np.zeros(truth.shape, dtype=np.bool_)
    if len(scores):
        decided[np.arange(len(scores)), scores.argmax(axis=1)] = True
    return decided


def _one_class(scores: Scores, truth: Flags, decided: Flags) -> Metrics:
    positives, negatives = int(truth.sum()), int((~truth).sum())
    hits, false_alarms = int((truth & decided).sum()), int((~truth & decided).sum())
    found: Metrics = {"positives": positives, "auroc": None, "auprc": None, "f1": None}
    found["sensitivity"] = hits / positives if positives else None
    found["specificity"] = (negatives - false_alarms) / negatives if negatives else None
    reasons: dict[str, str] = {}
    if positives:
        found["f1"] = 2 * hits / (positives + hits + false_alarms)
        found["auprc"] = _auprc(scores, truth)
    else:
        reasons |= dict.fromkeys(("auroc", "auprc", "f1", "sensitivity"), _NONE)
    if positives and negatives:
        found["auroc"] = _auroc(scores, truth)
    elif positives:
        reasons |= dict.fromkeys(("auroc", "specificity"), _ALL)
    return found | ({"undefined": reasons} if reasons else {})


def _together(per_class: Mapping[str, Metrics]) -> Metrics:
    found: Metrics = {}
    undefined: dict[str, str] = {}
    for metric in ("auroc", "auprc", "f1"):
        known = {name: values[metric] for name, values in per_class.items() if values[metric] is not None}
        found[f"{metric}_macro"] = float(np.mean(list(known.values()))) if known else None
        if len(known) < len(per_class):
            undefined[f"{metric}_macro"] = "without " + ", ".join(name for name in per_class if name not in known)
    weights = [values["positives"] for values in per_class.values() if values["f1"] is not None]
    f1s = [values["f1"] for values in per_class.values() if values["f1"] is not None]
    found["f1_weighted"] = float(np.average(f1s, weights=weights)) if f1s else None
    return found | ({"undefined": undefined} if undefined else {})


def regression(names: Sequence[str], scores: Scores, truth: Scores) -> tuple[Metrics, dict[str, Metrics]]:
    """Errors by output, in the output's unit, and their means; truth is NaN where it is not known."""
    per_output = {name: _one_output(scores[:, i], truth[:, i]) for i, name in enumerate(names)}
    overall: Metrics = {}
    for metric in ("mae", "rmse", "r2"):
        known = [values[metric] for values in per_output.values() if values[metric] is not None]
        overall[metric] = float(np.mean(known)) if known else None
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
        "mae": float(np.abs(errors).mean()),
        "rmse": float(np.sqrt((errors**2).mean())),
        "r2": 1.0 - float((errors**2).sum()) / spread if spread > 0 else None,
    }
    return found if spread > 0 else found | {"undefined": {"r2": "all values are the same"}}


def _auroc(scores: Scores, truth: Flags) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, scores))


def _auprc(scores: Scores, truth: Flags) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth, scores))
