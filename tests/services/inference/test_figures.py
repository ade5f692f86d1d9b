from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from precordia.manifest import Task
from precordia.metrics.classification import classification_document
from precordia.metrics.regression import regression_document


def classification(
    task: Task, names: tuple[str, ...], scores: np.ndarray, truth: np.ndarray, thresholds: dict[str, float]
) -> tuple[dict[str, Any], dict[str, Any]]:
    found = classification_document(
        truth,
        scores,
        names,
        exclusive=task is Task.MULTICLASS,
        patients=[f"p{row}" for row in range(len(truth))],
        thresholds=thresholds,
        draws=20,
    )
    return found["metrics"], found["per_class"]


def test_multiclass_decides_for_the_highest_score_and_foreign_labels_stay_in_as_false_positives() -> None:
    scores = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.3, 0.2], [0.4, 0.35, 0.25]])
    truth = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 0]], dtype=np.bool_)
    overall, each = classification(Task.MULTICLASS, ("a", "b", "c"), scores, truth, {})
    assert overall["accuracy"] == 0.5
    assert each["a"]["f1"] == pytest.approx(2 * 1 / (1 + 3))
    assert each["b"]["f1"] == pytest.approx(2 * 1 / (2 + 1))
    assert each["c"]["f1"] is None
    assert overall["f1_weighted"] == pytest.approx((0.5 * 1 + 2 / 3 * 2) / 3)
    assert overall["f1_macro"] == pytest.approx((0.5 + 2 / 3) / 2)
    assert overall["undefined"]["f1_macro"] == "without c"


def test_multilabel_decides_by_thresholds() -> None:
    scores = np.array([[0.3, 0.9], [0.2, 0.4], [0.4, 0.6]])
    truth = np.array([[1, 1], [0, 0], [1, 0]], dtype=np.bool_)
    overall, each = classification(Task.MULTILABEL, ("a", "b"), scores, truth, {"a": 0.3})
    assert (each["a"]["f1"], each["a"]["threshold"], each["a"]["auroc"]) == (1.0, 0.3, 1.0)
    assert each["b"]["f1"] == pytest.approx(2 / 3)
    assert (each["b"]["threshold"], each["b"]["sensitivity"], each["b"]["specificity"]) == (0.5, 1.0, 0.5)
    assert overall["accuracy"] == pytest.approx(2 / 3)


def test_a_label_that_every_record_has_leaves_auroc_undefined_with_its_reason() -> None:
    truth = np.ones((3, 1), dtype=np.bool_)
    overall, each = classification(Task.MULTILABEL, ("a",), np.array([[0.6], [0.7], [0.2]]), truth, {})
    assert each["a"]["auroc"] is None
    assert each["a"]["undefined"] == {
        "auroc": "every record has this label",
        "specificity": "every record has this label",
    }
    assert each["a"]["auprc"] == 1.0
    assert overall["auroc_macro"] is None


def test_no_record_at_all_gives_nothing_but_reasons() -> None:
    overall, each = classification(Task.MULTICLASS, ("a", "b"), np.zeros((0, 2)), np.zeros((0, 2), dtype=np.bool_), {})
    assert overall["accuracy"] is None
    assert overall["f1_weighted"] is None
    assert each["a"]["auroc"] is None


def test_regression_measures_known_values_only() -> None:
    scores = np.array([[1.0, 5.0], [2.0, 5.0], [9.0, 5.0]])
    truth = np.array([[1.0, 4.0], [4.0, 4.0], [np.nan, 4.0]])
    found = regression_document(truth, scores, ("qt", "flat"), patients=["a", "b", "c"], draws=20)
    overall, each = found["metrics"], found["per_class"]
    assert (each["qt"]["n"], each["qt"]["mae"]) == (2, 1.0)
    assert each["qt"]["rmse"] == pytest.approx(np.sqrt(2))
    assert each["qt"]["r2"] == pytest.approx(1 - 4 / 4.5)
    assert each["flat"]["r2"] is None
    assert each["flat"]["undefined"] == {"r2": "all values are the same", "r": "all values are the same"}
    assert overall["mae"] == 1.0
