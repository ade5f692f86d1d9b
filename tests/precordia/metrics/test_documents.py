import json

import numpy as np
import pytest
from sklearn import metrics as sk

from precordia.metrics import called_labels
from precordia.metrics.classification import classification_document
from precordia.metrics.means import summary
from precordia.metrics.regression import regression_document
from precordia.metrics.subgroups import age_band, subgroup_tables, value_subgroup_tables
from precordia.metrics.weighted import Answers

LABELS = ["a", "b", "c"]


def classes(count: int = 240) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    truth = generator.integers(0, 3, count)
    logits = generator.normal(size=(count, 3)) + 1.5 * (np.arange(3) == truth[:, None])
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return truth, np.arange(3) == truth[:, None], scores


def test_figures_of_classes_are_those_of_scikit_learn() -> None:
    number, truth, scores = classes()
    found = classification_document(truth, scores, LABELS, exclusive=True, patients=[""] * 240, draws=100)
    called = scores.argmax(axis=1)
    report = sk.classification_report(number, called, output_dict=True)
    overall = found["metrics"]
    assert overall["accuracy"] == pytest.approx(report["accuracy"])
    for ours, theirs in (("f1", "f1-score"), ("ppv", "precision"), ("sensitivity", "recall")):
        assert overall[f"{ours}_macro"] == pytest.approx(report["macro avg"][theirs])
        assert overall[f"{ours}_weighted"] == pytest.approx(report["weighted avg"][theirs])
        assert found["per_class"]["b"][ours] == pytest.approx(report["1"][theirs])
    assert overall["auroc_macro"] == pytest.approx(sk.roc_auc_score(number, scores, multi_class="ovr"))
    assert overall["auroc_weighted"] == pytest.approx(
        sk.roc_auc_score(number, scores, multi_class="ovr", average="weighted")
    )
    assert found["confusion"]["matrix"] == sk.confusion_matrix(number, called).tolist()
    assert found["intervals"]["metrics"].keys() == {name for name in overall if name != "undefined"}
    assert "threshold" not in found["per_class"]["a"]
    json.dumps(found, allow_nan=False)


def test_thresholds_decide_for_labels_and_counts_add_up() -> None:
    _, truth, scores = classes()
    found = classification_document(
        truth,
        scores,
        LABELS,
        exclusive=False,
        patients=[f"p{i // 2}" for i in range(240)],
        thresholds={"b": 0.2},
        draws=0,
    )
    assert (found["n"], found["patients"]) == (240, 120)
    assert found["per_class"]["b"]["threshold"] == 0.2
    assert found["per_class"]["a"]["threshold"] == 0.5
    assert found["per_class"]["b"]["sensitivity"] == sk.recall_score(truth[:, 1], scores[:, 1] >= 0.2)
    counts = found["confusion"]["by_label"]["b"]
    assert sum(counts.values()) == 240
    assert counts["hits"] == found["confusion"]["co_occurrence"][1][1]
    assert found["intervals"] == {"draws": 0, "metrics": {}, "per_class": {label: {} for label in LABELS}}


def test_of_no_record_nothing_is_measured_and_the_reason_is_said() -> None:
    empty = np.zeros((0, 2))
    for exclusive in (True, False):
        found = classification_document(empty.astype(np.bool_), empty, ["a", "b"], exclusive=exclusive, patients=[])
        assert found["metrics"]["accuracy"] is None
        assert found["metrics"]["auroc_macro"] is None
        assert found["per_class"]["a"]["brier"] is None
        assert found["per_class"]["a"]["undefined"]["auroc"] == "no record has this label"
        assert found["curves"]["a"] == {"roc": None, "precision_recall": None}
        json.dumps(found, allow_nan=False)


def test_a_label_that_is_never_called_has_no_ppv_and_says_so() -> None:
    truth, scores = np.array([[1, 1], [0, 0]], np.uint8), np.array([[0.9, 0.1], [0.2, 0.1]])
    found = classification_document(truth, scores, ["a", "b"], exclusive=False, patients=["", ""])
    assert found["per_class"]["b"]["ppv"] is None
    assert found["per_class"]["b"]["undefined"] == {"ppv": "no record is called"}
    assert found["metrics"]["undefined"] == {"ppv_macro": "without b"}
    assert found["metrics"]["ppv_macro"] == 1.0


def test_values_by_hand_and_by_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    truth = generator.normal(400, 30, (200, 1))
    values = truth + generator.normal(5, 12, (200, 1))
    found = regression_document(truth, values, ["qt"], patients=[f"p{i // 2}" for i in range(200)])
    row, ends = found["per_class"]["qt"], found["intervals"]["per_class"]["qt"]
    assert row["mae"] == pytest.approx(sk.mean_absolute_error(truth, values))
    assert row["rmse"] == pytest.approx(sk.root_mean_squared_error(truth, values))
    assert row["r2"] == pytest.approx(sk.r2_score(truth, values))
    assert row["r"] == pytest.approx(np.corrcoef(truth.T, values.T)[0, 1])
    errors = (values - truth)[:, 0]
    assert row["bias"] == pytest.approx(errors.mean())
    assert row["agreement_high"] == pytest.approx(errors.mean() + 1.96 * errors.std(ddof=1))
    for name, (low, high) in ends.items():
        assert low < row[name] < high, name
    assert ends["mae"][1] - ends["mae"][0] < 3
    assert found["metrics"] == {name: row[name] for name in ("mae", "rmse", "r2", "r")}


def test_values_with_every_record_once_are_drawn_as_they_are() -> None:
    from precordia.metrics.regression import _drawn, output_figures

    generator = np.random.default_rng(1)
    truth, values = generator.normal(400, 30, 50), generator.normal(400, 30, 50)
    drawn, plain = _drawn(truth, values, np.ones((50, 1))), output_figures(truth, values)
    for name, each in drawn.items():
        assert each[0] == pytest.approx(plain[name]), name


def test_a_constant_truth_has_neither_r2_nor_r() -> None:
    found = regression_document(np.full((3, 1), 4.0), np.array([[4.0], [5.0], [np.e]]), ["x"], patients=["a", "b", "c"])
    assert found["per_class"]["x"]["r2"] is None
    assert found["per_class"]["x"]["undefined"]["r"] == "all values are the same"
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("age", "band"), [(None, "unknown"), (0.5, "0-17"), (17.9, "0-17"), (18, "18-39"), (79.9, "60-79"), (101, "80+")]
)
def test_ages_have_bands(age: float | None, band: str) -> None:
    assert age_band(age) == band


def test_subgroups_are_measured_by_themselves() -> None:
    _, truth, scores = classes(60)
    given = Answers(truth, scores, called_labels(scores, exclusive=True), True)
    groups = ["18-39", "80+", "unknown"] * 20
    rows = subgroup_tables(given, LABELS, [""] * 60, {"age": groups})["age"]
    assert [row["group"] for row in rows] == ["18-39", "80+", "unknown"]
    here = np.array(groups) == "80+"
    wanted = sk.accuracy_score(truth[here].argmax(axis=1), scores[here].argmax(axis=1))
    assert rows[1]["metrics"]["accuracy"] == pytest.approx(wanted)
    assert (rows[1]["n"], rows[1]["patients"]) == (20, 20)
    assert sum(sum(row["positives"].values()) for row in rows) == 60


def test_subgroups_of_values_are_measured_by_themselves_and_drawn_by_patient() -> None:
    # Of the young ones two patients with ten ECGs each, off by 10 and by 20; of the old ones one, off by -4.
    truth = np.stack([np.linspace(380.0, 440.0, 30), np.full(30, np.nan)], axis=1)
    truth[:5, 1] = [1.0, 2.0, 3.0, 4.0, 5.0]
    off = np.repeat([10.0, 20.0, -4.0], 10)
    values = np.stack([truth[:, 0] + off, np.arange(1.0, 31.0)], axis=1)
    patients = [f"p{row // 10}" for row in range(30)]
    groups = ["18-39"] * 20 + ["80+"] * 10
    young, old = value_subgroup_tables(truth, values, ["QT", "x"], patients, {"age": groups}, draws=100)["age"]
    assert [(row["group"], row["n"], row["patients"]) for row in (young, old)] == [("18-39", 20, 2), ("80+", 10, 1)]
    assert young["per_class"]["QT"]["mae"] == pytest.approx(15.0)
    assert young["per_class"]["QT"]["bias"] == pytest.approx(15.0)
    assert young["per_class"]["QT"]["intervals"]["mae"] == pytest.approx([10.0, 20.0])
    assert old["per_class"]["QT"]["mae"] == pytest.approx(4.0)
    assert old["per_class"]["QT"]["bias"] == pytest.approx(-4.0)
    assert old["per_class"]["QT"]["intervals"] == {}  # one patient says nothing of others
    assert (young["per_class"]["x"]["n"], young["per_class"]["x"]["mae"]) == (5, 0.0)
    assert old["per_class"]["x"]["undefined"]["mae"] == "no record has a value"
    json.dumps([young, old], allow_nan=False)


def test_a_figure_over_datasets() -> None:
    found = summary([0.5, None, 0.7, 0.9, 0.6])
    assert (found.n, found.mean, found.median) == (4, pytest.approx(0.675), pytest.approx(0.65))
    assert (found.q1, found.q3) == pytest.approx((0.575, 0.75))
    assert found.iqr == pytest.approx(0.175)
    assert found.cv == pytest.approx(np.std([0.5, 0.7, 0.9, 0.6], ddof=1) / 0.675)
    assert summary([None]).mean is None
    assert summary([0.5]).cv is None
