"""Every figure of a classifier on labelled records, as one JSON object.

    {"n", "patients",
     "metrics":    {"auroc_macro", ..., "accuracy", "undefined": {metric: why}},
     "per_class":  {label: {"positives", "auroc", ..., "undefined": {...}}},
     "intervals":  {"draws", "metrics": {metric: [low, high]}, "per_class": {label: {...}}},
     "confusion":  {"labels", "matrix"} or {"by_label": {label: counts}, "co_occurrence"},
     "curves":     {label: {"roc": {"x", "y", "thresholds"}, "precision_recall": {...}}},
     "calibration": {"bins", "top_label": [bin, ...], "per_class": {label: [bin, ...]}},
     "threshold_choices": {rule: {label: threshold}}}

Figures are those of `precordia.metrics`. What cannot be measured is null, with the reason beside it.
AUPRC is average precision; `ece` is by label, `ece_top_label` of the highest score.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from precordia.metrics.areas import auroc, average_precision
from precordia.metrics.arrays import Flags, Scores, Truth
from precordia.metrics.bootstrap import DRAWS, Patients, affordable, distributions, interval, patient_numbers
from precordia.metrics.calibration import BINS, brier_score, calibration_error, reliability, top_label
from precordia.metrics.calls import (
    DEFAULT_THRESHOLD,
    Calls,
    called_labels,
    co_occurrence,
    confusion_matrix,
    correct_records,
)
from precordia.metrics.curves import Curve, precision_recall_curve, roc_curve, thinned_precision_recall, thinned_roc
from precordia.metrics.means import mean_of_known
from precordia.metrics.thresholds import CHOOSE
from precordia.metrics.weighted import MACRO, WEIGHTED, Answers, label_figures, overall_figures

Document = dict[str, Any]

_NO_RECORD = "no record has this label"
_EVERY_RECORD = "every record has this label"
_NEVER_CALLED = "no record is called"
_ALWAYS_CALLED = "every record is called"
_DIGITS = 5  # of what is drawn


def classification_document(
    truth: Truth,
    scores: Scores,
    labels: Sequence[str],
    *,
    exclusive: bool,
    patients: Patients,
    thresholds: Mapping[str, float] | None = None,
    draws: int = DRAWS,
    unasked: Collection[str] = (),
) -> Document:
    """Everything at once; the form is told above.

    Args:
        truth: (n, k); a record of none of the labels is all 0, and what is called of it is a false alarm.
        scores: (n, k) probabilities.
        labels: k names.
        exclusive: exactly one label is true (multiclass).
        patients: n keys; an empty one is a patient of its own.
        thresholds: by label; 0.5 where there is none.
        draws: of the bootstrap; 0 = no intervals.
        unasked: labels that nobody was asked about: no record is known to have them, or not to have
            them. They have no figures; where one of them is called of several classes, the class
            that is true is missed.
    """
    flags = truth.astype(np.bool_)
    limits = {label: (thresholds or {}).get(label, DEFAULT_THRESHOLD) for label in labels}
    called = called_labels(scores, exclusive=exclusive, thresholds=list(limits.values()))
    all_labels, every = labels, Answers(flags, scores, called, exclusive)
    asked = np.flatnonzero([label not in unasked for label in labels])
    labels, given = [all_labels[column] for column in asked.tolist()], every.about(asked)
    flags, scores = given.truth, given.scores
    per_class = label_table(given, labels)
    if not exclusive:
        for label in labels:
            per_class[label]["threshold"] = limits[label]
    return {
        "n": len(flags),
        "patients": len(set(patient_numbers(patients).tolist())) if len(flags) else 0,
        "metrics": overall_table(given, per_class),
        "per_class": per_class,
        "intervals": intervals(given, labels, patients, draws=draws),
        "confusion": _confusion(every, all_labels) if exclusive else _confusion(given, labels),
        "curves": _curves(given, labels),
        "calibration": _calibration(given, labels),
        "threshold_choices": threshold_choices(flags, scores, labels),
    }


def label_table(given: Answers, labels: Sequence[str]) -> dict[str, Document]:
    """The figures of each label."""
    return {
        label: _of_label(given.truth[:, column], given.scores[:, column], given.called[:, column])
        for column, label in enumerate(labels)
    }


def _of_label(truth: Flags, scores: Scores, called: Flags) -> Document:
    calls = Calls.count(truth, called)
    found: Document = {
        "positives": calls.positives,
        "auroc": auroc(truth, scores),
        "auprc": average_precision(truth, scores),
        "f1": calls.f1,
        "sensitivity": calls.sensitivity,
        "specificity": calls.specificity,
        "ppv": calls.ppv,
        "npv": calls.npv,
        "brier": brier_score(truth, scores),
        "ece": calibration_error(truth, scores),
    }
    reasons = {name: _why(name, calls) for name, value in found.items() if value is None}
    return found | ({"undefined": reasons} if reasons else {})


def _why(name: str, calls: Calls) -> str:
    if name == "ppv":
        return _NEVER_CALLED
    if name == "npv" and calls.positives + calls.negatives:
        return _ALWAYS_CALLED
    return _EVERY_RECORD if calls.positives else _NO_RECORD


def overall_table(given: Answers, per_class: Mapping[str, Document]) -> Document:
    """The figures over all labels, from those of each."""
    found: Document = {}
    undefined: dict[str, str] = {}
    for name in MACRO:
        found[f"{name}_macro"] = mean_of_known([values[name] for values in per_class.values()])
        unknown = [label for label, values in per_class.items() if values[name] is None]
        if unknown:
            undefined[f"{name}_macro"] = "without " + ", ".join(unknown)
    support = [values["positives"] for values in per_class.values()]
    for name in WEIGHTED:
        found[f"{name}_weighted"] = mean_of_known([values[name] for values in per_class.values()], support)
    some = len(given.truth) > 0 and given.truth.shape[1] > 0
    right = correct_records(given.truth, given.called, exclusive=given.exclusive) if some else np.zeros(0, np.bool_)
    found["accuracy"] = float(right.mean()) if some else None
    found["ece_top_label"] = calibration_error(*top_label(given.truth, given.scores)) if some else None
    return found | ({"undefined": undefined} if undefined else {})


def intervals(given: Answers, labels: Sequence[str], patients: Patients, *, draws: int = DRAWS) -> Document:
    """95 % intervals by patient of what can be measured; empty for fewer than two patients.

    `draws` are the most that are made; of very many records there are fewer, and the answer says how many.
    """
    draws = affordable(draws, given.truth.size)
    found: Document = {"draws": draws, "metrics": {}, "per_class": {label: {} for label in labels}}
    numbers = patient_numbers(patients)
    if not draws or len(numbers) < 2 or numbers.max() == 0:
        return found | {"draws": 0}

    def figures(counts: Scores) -> dict[str, Scores]:
        by_label = label_figures(given, counts)
        return overall_figures(given, counts, by_label) | by_label

    drawn = distributions(figures, numbers, draws=draws)
    once = figures(np.ones((len(numbers), 1)))
    for name, values in drawn.items():
        if values.ndim == 1:
            found["metrics"] |= _named(name, values, once[name][0])
        elif name != "positives":
            for row, label in enumerate(labels):
                found["per_class"][label] |= _named(name, values[row], once[name][row, 0])
    return found


def _named(name: str, values: Scores, figure: float) -> dict[str, list[float]]:
    ends = interval(values, about=figure if name.startswith("ece") else None) if np.isfinite(figure) else None
    return {name: list(ends)} if ends else {}


def _confusion(given: Answers, labels: Sequence[str]) -> Document:
    if not len(given.truth):
        return {}
    if given.exclusive:
        matrix = confusion_matrix(given.truth, given.called).tolist()
        return {"labels": list(labels), "matrix": matrix if any(matrix[-1]) else matrix[:-1]}
    counts = {
        label: vars(Calls.count(given.truth[:, column], given.called[:, column])) for column, label in enumerate(labels)
    }
    together = co_occurrence(given.truth, given.called).tolist()
    return {"labels": list(labels), "by_label": counts, "co_occurrence": together}


def _curves(given: Answers, labels: Sequence[str]) -> dict[str, Document]:
    found: dict[str, Document] = {}
    for column, label in enumerate(labels):
        roc = roc_curve(given.truth[:, column], given.scores[:, column])
        recall = precision_recall_curve(given.truth[:, column], given.scores[:, column])
        found[label] = {
            "roc": _points(thinned_roc(roc)) if roc else None,
            "precision_recall": _points(thinned_precision_recall(recall)) if recall else None,
        }
    return found


def _points(curve: Curve) -> Document:
    """For drawing: rounded; an infinite threshold is null."""
    return {
        "x": curve.x.round(_DIGITS).tolist(),
        "y": curve.y.round(_DIGITS).tolist(),
        "thresholds": [
            round(value, _DIGITS) if finite else None
            for value, finite in zip(curve.thresholds.tolist(), np.isfinite(curve.thresholds).tolist(), strict=True)
        ],
    }


def _calibration(given: Answers, labels: Sequence[str]) -> Document:
    if not given.truth.size:
        return {"bins": BINS, "top_label": [], "per_class": {}}
    by_label = {
        label: [asdict(bar) for bar in reliability(given.truth[:, column], given.scores[:, column])]
        for column, label in enumerate(labels)
    }
    highest = [asdict(bar) for bar in reliability(*top_label(given.truth, given.scores))]
    return {"bins": BINS, "top_label": highest, "per_class": by_label}


def threshold_choices(truth: Truth, scores: Scores, labels: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """The threshold of each label by each rule; they fit the records that they were chosen on."""
    return {
        rule.value: {label: choose(truth[:, column], scores[:, column]) for column, label in enumerate(labels)}
        for rule, choose in CHOOSE.items()
    }
