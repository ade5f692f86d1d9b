"""Models beside each other on the very same records, and each over several datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np

from precordia.manifest import Task
from precordia.metrics import Scores
from precordia.metrics.bootstrap import distributions, interval, patient_numbers
from precordia.metrics.calls import correct_records
from precordia.metrics.means import summary
from precordia.metrics.weighted import Answers
from services.inference.evaluation.held_answers import Held

Document = dict[str, Any]

_FEWEST = 2


def comparisons(reported: Sequence[tuple[Held, Mapping[str, float]]], *, draws: int) -> list[Document]:
    """Every pair of models on each split.

    Args:
        reported: what was held against the labels, and the thresholds that decided.
        draws: of the bootstrap.

    Returns:
        For each pair {"dataset", "split", "first", "second", "n", "patients", "labels"} and
        "bootstrap": {figure: difference}, "delong": {label: difference of AUROC},
        "mcnemar": {"accuracy": p}; for values "mae": {output: difference}; or "undefined": why the two
        cannot be compared. A difference is second minus first, with its 95 % interval.
    """
    return [
        _pair(first, second, draws)
        for first, second in combinations(reported, 2)
        if first[0].part.work.split == second[0].part.work.split
    ]


def _pair(first: tuple[Held, Mapping[str, float]], second: tuple[Held, Mapping[str, float]], draws: int) -> Document:
    a, b = first[0], second[0]
    _, rows_a, rows_b = np.intersect1d(a.rows, b.rows, return_indices=True)
    labels = _common_labels(a, b, rows_a, rows_b)
    said: Document = {
        "dataset": a.part.work.split.dataset,
        "split": a.part.work.split.split,
        "first": str(a.part.work.model),
        "second": str(b.part.work.model),
        "n": len(rows_a),
        "patients": len({a.truths[row].patient for row in rows_a}),
        "labels": labels,
    }
    if why := _why_not(a, b, labels, len(rows_a)):
        return said | {"undefined": why}
    patients = [a.truths[row].patient for row in rows_a]
    if a.part.task is Task.REGRESSION:
        return said | {"mae": _errors(a, b, rows_a, rows_b, labels, patients, draws)}
    answers = [
        _only(held, thresholds, rows, labels) for (held, thresholds), rows in ((first, rows_a), (second, rows_b))
    ]
    return said | _tests(answers[0], answers[1], labels, patients, draws)


def _common_labels(a: Held, b: Held, rows_a: Any, rows_b: Any) -> list[str]:
    """Labels that both models answer, and that mean the same to both."""
    there = [label for label in a.labels if label in b.labels and label not in (*a.part.unasked, *b.part.unasked)]
    return [
        label
        for label in there
        if np.array_equal(
            a.truth[rows_a, a.labels.index(label)], b.truth[rows_b, b.labels.index(label)], equal_nan=True
        )
    ]


def _why_not(a: Held, b: Held, labels: Sequence[str], records: int) -> str:
    if (a.part.task is Task.REGRESSION) != (b.part.task is Task.REGRESSION):
        return "one gives scores, the other values"
    if a.part.label_group != b.part.label_group:
        return "they answer to different groups of labels"
    if not labels:
        return "they have no label in common"
    return "no record counts for both" if records < _FEWEST else ""


def _only(held: Held, thresholds: Mapping[str, float], rows: Any, labels: Sequence[str]) -> Answers:
    columns = np.array([held.labels.index(label) for label in labels])
    everything = held.answers(thresholds).about(columns)
    return Answers(everything.truth[rows], everything.scores[rows], everything.called[rows], everything.exclusive)


def _tests(a: Answers, b: Answers, labels: Sequence[str], patients: Sequence[str], draws: int) -> Document:
    # Loads scipy: only an evaluation of several models pays for it.
    from precordia.metrics.comparison import bootstrap_difference, delong, mcnemar

    exclusive = a.exclusive and b.exclusive
    a, b = (Answers(one.truth, one.scores, one.called, exclusive) for one in (a, b))
    of_areas = {
        label: delong(a.truth[:, column], a.scores[:, column], b.scores[:, column])
        for column, label in enumerate(labels)
    }
    right = [correct_records(one.truth, one.called, exclusive=exclusive) for one in (a, b)]
    drawn = bootstrap_difference(a, b, patients, draws=draws) if draws else {}
    return {
        "bootstrap": {name: asdict(difference) for name, difference in drawn.items()},
        "delong": {label: asdict(difference) if difference else None for label, difference in of_areas.items()},
        "delong_assumes": "independent records" if len(set(patients)) < len(patients) else "",
        "mcnemar": {"accuracy": mcnemar(right[0], right[1])},
    }


def _errors(
    a: Held, b: Held, rows_a: Any, rows_b: Any, labels: Sequence[str], patients: Sequence[str], draws: int
) -> Document:
    """Difference of the mean absolute errors of each output, by patient."""
    found: Document = {}
    for label in labels:
        truth = a.truth[rows_a, a.labels.index(label)]
        first, second = (
            np.abs(held.scores[rows, held.labels.index(label)] - truth) for held, rows in ((a, rows_a), (b, rows_b))
        )
        known = np.isfinite(truth)
        if known.sum() < _FEWEST:
            continue
        change = (second - first)[known]
        low, high = _ends(change, patient_numbers(patients)[known], draws)
        before, after = float(first[known].mean()), float(second[known].mean())
        difference = {"first": before, "second": after, "difference": after - before, "low": low, "high": high}
        found[label] = difference
    return found


def _ends(change: Scores, patients: Any, draws: int) -> tuple[float | None, float | None]:
    if not draws:
        return None, None
    drawn = distributions(lambda counts: {"mae": change @ counts / counts.sum(axis=0)}, patients, draws=draws)
    return interval(drawn["mae"]) or (None, None)


def over_datasets(documents: Sequence[Document]) -> Document:
    """Each model's figures over its splits, as Table 3 of Bickmann et al. 2026; and models beside each other there.

    Returns:
        {"models": [{"model", "version", "datasets", "metrics": {figure: summary}}],
         "paired_t": [{"first", "second", "metrics": {figure: p}}]}; empty for one split alone.
    """
    by_model: dict[str, list[Document]] = {}
    for one in documents:
        by_model.setdefault(f"{one['model']}:{one['version']}", []).append(one)
    if all(len(group) < _FEWEST for group in by_model.values()):
        return {}
    models = [
        {
            "model": group[0]["model"],
            "version": group[0]["version"],
            "datasets": [f"{one['dataset']}:{one['split']}".rstrip(":") for one in group],
            "metrics": {name: asdict(summary(_over(group, name))) for name in _figures(group)},
        }
        for group in by_model.values()
    ]
    return {"models": models, "paired_t": _paired(by_model)}


def _figures(group: Sequence[Document]) -> list[str]:
    return [name for name in group[0]["metrics"] if name != "undefined"]


def _over(group: Sequence[Document], name: str) -> list[float | None]:
    return [one["metrics"].get(name) for one in group]


def _paired(by_model: Mapping[str, Sequence[Document]]) -> list[Document]:
    from precordia.metrics.comparison import paired_t  # loads scipy

    found = []
    for (first, a), (second, b) in combinations(by_model.items(), 2):
        tested: dict[str, float | None] = {}
        for name in _figures(a):
            both = [(x, y) for x, y in zip(_over(a, name), _over(b, name), strict=True) if None not in (x, y)]
            tested[name] = paired_t([x for x, _ in both if x is not None], [y for _, y in both if y is not None])
        found.append({"first": first, "second": second, "metrics": tested})
    return found
