"""An evaluation as JSON: one document for each model on each split, as DESIGN's `evaluate` gives it.

{"model", "version", "dataset", "split", "snapshot_id", "snapshot_digest", "model_digest", "task",
 "label_group", "unasked": [labels the dataset says nothing of], "left_out": {reason: records},
 "decided_by": {"thresholds", "temperature", "chosen": {...}},
 "cost": {"parameters", "multiply_adds", "latency_ms"},
 ... the figures of `precordia.metrics.classification` or `.regression` ...,
 "at_thresholds": {label: figures by its threshold}, "subgroups": {kind: [...]}}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from precordia.evaluation import EvaluationWish, ThresholdChoice, ThresholdRule
from precordia.manifest import Task
from precordia.metrics.classification import classification_document, intervals, label_table
from precordia.metrics.regression import regression_document
from precordia.metrics.subgroups import UNKNOWN, age_band, subgroup_tables, value_subgroup_tables
from precordia.metrics.thresholds import at_sensitivity, at_specificity, f_max, youden
from services.inference.evaluation.held_answers import Held

Document = dict[str, Any]

_LIMITS = ("positives", "sensitivity", "specificity", "ppv", "npv", "f1")


@dataclass(frozen=True)
class Chosen:
    """Thresholds that a model got on another split.

    Attributes:
        by_label: of each label.
        without: labels that none could be chosen for.
        on: the records that they were chosen on.
    """

    by_label: Mapping[str, float]
    without: tuple[str, ...]
    on: Held


def chosen(on: Held, choice: ThresholdChoice) -> Chosen:
    """The threshold of each label by the rule."""
    found = {
        on.labels[column]: _threshold(choice, on.truth[:, column].astype(np.uint8), on.scores[:, column])
        for column in on.asked().tolist()
    }
    known = {label: value for label, value in found.items() if value is not None}
    return Chosen(known, tuple(label for label in on.labels if label not in known), on)


def _threshold(choice: ThresholdChoice, truth: Any, scores: Any) -> float | None:
    if choice.rule is ThresholdRule.SENSITIVITY:
        return at_sensitivity(truth, scores, choice.target)
    if choice.rule is ThresholdRule.SPECIFICITY:
        return at_specificity(truth, scores, choice.target)
    return f_max(truth, scores) if choice.rule is ThresholdRule.F_MAX else youden(truth, scores)


def document(
    held: Held, wish: EvaluationWish, chosen: Chosen | None, grades: Mapping[str, str], cost: Mapping[str, Any]
) -> Document:
    """Everything about one model on one split.

    Args:
        held: the records that count.
        wish: what was asked for.
        chosen: thresholds from elsewhere.
        grades: quality of each recording, by id.
        cost: of the model.
    """
    part = held.part
    figures = _values(held, wish, grades) if part.task is Task.REGRESSION else _classes(held, wish, chosen, grades)
    return {
        "model": part.work.model.name,
        "version": part.work.model.version,
        "dataset": part.work.split.dataset,
        "split": part.work.split.split,
        "snapshot_id": part.work.split.snapshot_id,
        "snapshot_digest": part.snapshot_digest,
        "task": part.task.value,
        "label_group": part.label_group,
        "answers": {answer.label: list(answer.outputs) for answer in wish.answers},
        "unasked": list(part.unasked),
        "model_digest": part.model_digest,
        "decided_by": _decided_by(held, wish, chosen),
        "left_out": dict(held.left_out),
        "cost": dict(cost),
        **figures,
    }


def thresholds_of(held: Held, chosen: Chosen | None) -> dict[str, float]:
    """What decides: what was chosen elsewhere, else the model's own."""
    return held.own_thresholds() | (dict(chosen.by_label) if chosen else {})


def _decided_by(held: Held, wish: EvaluationWish, chosen: Chosen | None) -> Document:
    said: Document = {"thresholds": thresholds_of(held, chosen), "temperature": held.part.temperature}
    if chosen is None or wish.thresholds is None:
        return said
    on, shared = chosen.on, set(chosen.on.patients) & set(held.patients)
    return said | {
        "chosen": {
            "rule": wish.thresholds.rule.value,
            "target": wish.thresholds.target if wish.thresholds.rule.has_target else None,
            "dataset": on.part.work.split.dataset,
            "split": on.part.work.split.split,
            "snapshot_id": on.part.work.split.snapshot_id,
            "n": len(on.rows),
            "patients": len(set(on.patients)),
            "shared_patients": len(shared),
            "without": list(chosen.without),
        }
    }


def _values(held: Held, wish: EvaluationWish, grades: Mapping[str, str]) -> Document:
    given = (held.truth, held.scores, held.labels)
    found = regression_document(*given, patients=held.patients, draws=wish.draws)
    groups = _groups(held, grades) if len(held.rows) else {}
    found["subgroups"] = value_subgroup_tables(*given, held.patients, groups, draws=wish.draws)
    return found


def _classes(held: Held, wish: EvaluationWish, chosen: Chosen | None, grades: Mapping[str, str]) -> Document:
    thresholds = thresholds_of(held, chosen)
    found = classification_document(
        held.truth.astype(np.uint8),
        held.scores,
        held.labels,
        exclusive=held.part.exclusive,
        patients=held.patients,
        thresholds=thresholds,
        draws=wish.draws,
        unasked=held.part.unasked,
    )
    labels = [held.labels[column] for column in held.asked()]
    asked = held.answers(thresholds).about(held.asked())
    if len(held.rows):
        found["subgroups"] = subgroup_tables(asked, labels, held.patients, _groups(held, grades), draws=wish.draws)
    else:
        found["subgroups"] = {}
    if chosen is not None and len(held.rows):
        found["at_thresholds"] = _at_thresholds(held, wish, chosen)
    return found


def _at_thresholds(held: Held, wish: EvaluationWish, chosen: Chosen) -> Document:
    """Each label by its chosen threshold: of classes that exclude each other, each against the rest."""
    columns = np.array([column for column in held.asked() if held.labels[column] in chosen.by_label], np.int64)
    labels = [held.labels[column] for column in columns]
    given = held.one_by_one(chosen.by_label).about(columns)
    ends = intervals(given, labels, held.patients, draws=wish.draws)["per_class"]
    return {
        label: {"threshold": chosen.by_label[label]}
        | {name: row[name] for name in _LIMITS}
        | {"intervals": {name: ends[label][name] for name in _LIMITS if name in ends[label]}}
        for label, row in label_table(given, labels).items()
    }


def _groups(held: Held, grades: Mapping[str, str]) -> dict[str, Sequence[str]]:
    """Subgroups of records, by kind."""
    return {
        "age": [age_band(truth.age_years) for truth in held.truths],
        "sex": [truth.sex or UNKNOWN for truth in held.truths],
        "quality": [grades.get(recording, UNKNOWN) for recording in held.recordings],
    }
