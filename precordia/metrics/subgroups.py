"""Figures by subgroup: whether a model is as good for the old as for the young, for women as for men.

A subgroup of few records says little; its interval says how little.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precordia.metrics.arrays import Scores
from precordia.metrics.bootstrap import Patients, patient_numbers
from precordia.metrics.classification import intervals, label_table, overall_table
from precordia.metrics.regression import regression_document
from precordia.metrics.weighted import Answers

UNKNOWN = "unknown"
AGE_BANDS = ((0, 18), (18, 40), (40, 60), (60, 80), (80, 200))
"""Years, the upper end left out."""
SHOWN = ("auroc_macro", "auprc_macro", "f1_macro", "f1_weighted", "accuracy", "ece_top_label")
_DRAWS = 400


def age_band(age_years: float | None) -> str:
    """The band of an age: "18-39", "80+"; `UNKNOWN` where it is not known."""
    for low, high in AGE_BANDS:
        if age_years is not None and low <= age_years < high:
            return f"{low}+" if (low, high) == AGE_BANDS[-1] else f"{low}-{high - 1}"
    return UNKNOWN


def subgroup_tables(
    given: Answers,
    labels: Sequence[str],
    patients: Patients,
    kinds: Mapping[str, Sequence[str]],
    *,
    draws: int = _DRAWS,
) -> dict[str, list[dict[str, Any]]]:
    """Figures of each subgroup, by kind of grouping.

    Args:
        given: all records.
        labels: of the columns.
        patients: a key for each record.
        kinds: name of a grouping ("sex") -> the group of each record.
        draws: of the bootstrap, of which subgroups take at most 400.
    """
    draws = min(draws, _DRAWS)
    return {kind: _rows(given, labels, patients, groups, draws) for kind, groups in kinds.items()}


def _rows(
    given: Answers, labels: Sequence[str], patients: Patients, groups: Sequence[str], draws: int
) -> list[dict[str, Any]]:
    rows = []
    for group, here in _members(groups):
        people = patient_numbers(patients)[here]
        part = given.only(here)
        per_class = label_table(part, labels)
        overall = overall_table(part, per_class)
        ends = intervals(part, labels, people, draws=draws)["metrics"]
        rows.append(
            {
                "group": group,
                "n": int(here.sum()),
                "patients": len(set(patient_numbers(people).tolist())),
                "positives": {label: row["positives"] for label, row in per_class.items()},
                "metrics": {name: overall[name] for name in SHOWN},
                "intervals": {name: ends[name] for name in SHOWN if name in ends},
            }
        )
    return rows


def value_subgroup_tables(
    truth: Scores,
    values: Scores,
    names: Sequence[str],
    patients: Patients,
    kinds: Mapping[str, Sequence[str]],
    *,
    draws: int = _DRAWS,
) -> dict[str, list[dict[str, Any]]]:
    """The same of predicted values: errors, agreement and intervals of each output in each subgroup.

    Args:
        truth: (n, k), NaN where it is not known.
        values: (n, k).
        names: k, of the outputs.
        patients: a key for each record.
        kinds: name of a grouping ("sex") -> the group of each record.
        draws: of the bootstrap, of which subgroups take at most 400.

    Returns:
        By kind, {"group", "n", "patients", "per_class": {output: figures | {"intervals": {figure: [low, high]}}}};
        `metrics` and `intervals` over all outputs are empty, as outputs have units of their own.
    """
    draws, numbers = min(draws, _DRAWS), patient_numbers(patients)
    return {
        kind: [
            {"group": group, **_values_of(truth[here], values[here], names, numbers[here], draws)}
            for group, here in _members(groups)
        ]
        for kind, groups in kinds.items()
    }


def _values_of(truth: Scores, values: Scores, names: Sequence[str], people: Patients, draws: int) -> dict[str, Any]:
    found = regression_document(truth, values, names, patients=people, draws=draws)
    ends = found["intervals"]["per_class"]
    return {
        "n": found["n"],
        "patients": found["patients"],
        "metrics": {},
        "intervals": {},
        "per_class": {name: row | {"intervals": ends[name]} for name, row in found["per_class"].items()},
    }


def _members(groups: Sequence[str]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Each group, those of age in order and the unknown last, and which records are in it."""
    for group in sorted(set(groups), key=lambda name: (name == UNKNOWN, _leading_number(name), name)):
        yield group, np.array([one == group for one in groups], dtype=np.bool_)


def _leading_number(name: str) -> int:
    """Bands by age, names by name."""
    digits = name.partition("-")[0].rstrip("+")
    return int(digits) if digits.isdecimal() else -1
