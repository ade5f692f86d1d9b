import numpy as np
import pytest
from sklearn import metrics as sk

from services.trainer.learning import metrics


@pytest.fixture
def labelled() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    truth = (generator.random((300, 4)) < [0.5, 0.2, 0.1, 0.3]).astype(np.uint8)
    scores = np.clip(0.3 * truth + generator.random((300, 4)) * 0.8, 0, 1).round(2)  # rounding makes ties
    return truth, scores


def test_figures_are_those_of_scikit_learn(labelled: tuple[np.ndarray, np.ndarray]) -> None:
    truth, scores = labelled
    found = metrics.classification(truth, scores, list("abcd"), exclusive=False)
    called = scores >= 0.5
    assert found["auroc_macro"] == pytest.approx(sk.roc_auc_score(truth, scores, average="macro"), abs=1e-12)
    assert found["auprc_macro"] == pytest.approx(sk.average_precision_score(truth, scores), abs=1e-12)
    assert found["f1_macro"] == pytest.approx(sk.f1_score(truth, called, average="macro"), abs=1e-12)
    assert found["f1_weighted"] == pytest.approx(sk.f1_score(truth, called, average="weighted"), abs=1e-12)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(truth, called), abs=1e-12)
    for column, label in enumerate("abcd"):
        row = found["per_class"][label]
        assert row["sensitivity"] == pytest.approx(sk.recall_score(truth[:, column], called[:, column]))
        assert row["specificity"] == pytest.approx(sk.recall_score(1 - truth[:, column], ~called[:, column]))
        assert row["ppv"] == pytest.approx(sk.precision_score(truth[:, column], called[:, column]))


def test_of_exclusive_classes_the_highest_is_called() -> None:
    truth = np.eye(3, dtype=np.uint8)
    scores = np.array([[0.4, 0.3, 0.3], [0.2, 0.45, 0.35], [0.4, 0.35, 0.25]])
    found = metrics.classification(truth, scores, list("abc"), exclusive=True)
    assert found["accuracy"] == pytest.approx(2 / 3)


def test_what_cannot_be_measured_is_none_and_stays_out_of_means() -> None:
    truth = np.array([[1, 0], [0, 0], [1, 0]], dtype=np.uint8)
    scores = np.array([[0.9, 0.1], [0.2, 0.1], [0.8, 0.2]])
    found = metrics.classification(truth, scores, ["seen", "never"], exclusive=False)
    assert found["per_class"]["never"]["auroc"] is None
    assert found["per_class"]["never"]["sensitivity"] is None
    assert found["auroc_macro"] == 1.0


def test_regression_figures() -> None:
    truth, values = np.array([[1.0], [2.0], [3.0]]), np.array([[1.5], [2.0], [2.0]])
    found = metrics.regression(truth, values, ["age"])["per_output"]["age"]
    assert found["mae"] == pytest.approx(0.5)
    assert found["rmse"] == pytest.approx(np.sqrt(1.25 / 3))
    assert found["r"] == pytest.approx(np.corrcoef(truth.T, values.T)[0, 1])
